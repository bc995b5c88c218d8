// A provider that has the shape of Google's and no cloud behind it, so that the module can be validated, planned and applied
// without either. The shape is schema.json, taken from the declarations of hashicorp/terraform-provider-google (see extract).
// It keeps what it is given, as an API would that never refuses anything. It runs as google, and as google-beta where its
// file is called so.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/hashicorp/terraform-plugin-sdk/v2/diag"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/validation"
	"github.com/hashicorp/terraform-plugin-sdk/v2/plugin"
)

// The number of every project.
const number = "123456789012"

//go:embed schema.json
var shape []byte

type field struct {
	Type          string            `json:"type"`
	Required      bool              `json:"required"`
	Optional      bool              `json:"optional"`
	Computed      bool              `json:"computed"`
	ForceNew      bool              `json:"forceNew"`
	MaxItems      int               `json:"maxItems"`
	MinItems      int               `json:"minItems"`
	ConfigMode    string            `json:"configMode"`
	Default       any               `json:"default"`
	Enum          []string          `json:"enum"`
	Pattern       string            `json:"pattern"`
	ConflictsWith []string          `json:"conflictsWith"`
	ExactlyOneOf  []string          `json:"exactlyOneOf"`
	AtLeastOneOf  []string          `json:"atLeastOneOf"`
	RequiredWith  []string          `json:"requiredWith"`
	Element       string            `json:"element"`
	Fields        map[string]*field `json:"fields"`
}

var types = map[string]schema.ValueType{
	"String": schema.TypeString, "Bool": schema.TypeBool, "Int": schema.TypeInt, "Float": schema.TypeFloat,
	"List": schema.TypeList, "Set": schema.TypeSet, "Map": schema.TypeMap,
}

func (f *field) schema() *schema.Schema {
	made := &schema.Schema{
		Type: types[f.Type], Required: f.Required, Optional: f.Optional, Computed: f.Computed, ForceNew: f.ForceNew,
		MaxItems: f.MaxItems, MinItems: f.MinItems, Default: f.value(),
		ConflictsWith: f.ConflictsWith, ExactlyOneOf: f.ExactlyOneOf, AtLeastOneOf: f.AtLeastOneOf, RequiredWith: f.RequiredWith,
	}
	switch f.ConfigMode {
	case "Attr":
		made.ConfigMode = schema.SchemaConfigModeAttr
	case "Block":
		made.ConfigMode = schema.SchemaConfigModeBlock
	}
	if f.Type == "List" || f.Type == "Set" || f.Type == "Map" {
		if f.Element != "" {
			made.Elem = &schema.Schema{Type: types[f.Element]}
		} else {
			made.Elem = &schema.Resource{Schema: schemas(f.Fields)}
		}
	}
	if len(f.Enum) > 0 {
		made.ValidateFunc = validation.StringInSlice(f.Enum, false)
	}
	if f.Pattern != "" {
		made.ValidateFunc = validation.StringMatch(regexp.MustCompile(f.Pattern), "")
	}
	return made
}

// value is the default, as the type of the field has it: JSON knows one kind of number.
func (f *field) value() any {
	if decimal, ok := f.Default.(float64); ok && f.Type == "Int" {
		return int(decimal)
	}
	return f.Default
}

func schemas(fields map[string]*field) map[string]*schema.Schema {
	made := map[string]*schema.Schema{}
	for name, field := range fields {
		made[name] = field.schema()
	}
	return made
}

// ids are the forms that other resources refer to; where there is none, an id says nothing.
var ids = map[string]string{
	"google_kms_crypto_key":          "{key_ring}/cryptoKeys/{name}",
	"google_kms_key_ring":            "projects/{project}/locations/{location}/keyRings/{name}",
	"google_project_iam_custom_role": "projects/{project}/roles/{role_id}",
	"google_pubsub_subscription":     "projects/{project}/subscriptions/{name}",
	"google_pubsub_topic":            "projects/{project}/topics/{name}",
}

var placeholder = regexp.MustCompile(`\{(\w+)\}`)

func resource(name string, fields map[string]*field) *schema.Resource {
	var needsNew = true
	for _, field := range fields {
		needsNew = needsNew && (field.ForceNew || !field.Required && !field.Optional)
	}
	none := func(context.Context, *schema.ResourceData, any) diag.Diagnostics { return nil }
	made := &schema.Resource{
		Schema: schemas(fields),
		CreateContext: func(_ context.Context, d *schema.ResourceData, _ any) diag.Diagnostics {
			d.SetId(name)
			if form, ok := ids[name]; ok {
				d.SetId(placeholder.ReplaceAllStringFunc(form, func(one string) string {
					return fmt.Sprint(d.Get(strings.Trim(one, "{}")))
				}))
			}
			return computed(name, fields, d)
		},
		ReadContext:   none,
		DeleteContext: none,
		Importer:      &schema.ResourceImporter{StateContext: imported},
	}
	if !needsNew {
		made.UpdateContext = none
	}
	return made
}

// computed is what the API answers and the module reads. A list or map that nobody answers would be unknown in each plan.
func computed(name string, fields map[string]*field, d *schema.ResourceData) diag.Diagnostics {
	set := func(key string, value any) diag.Diagnostics { return diag.FromErr(d.Set(key, value)) }
	for key, field := range fields {
		if !field.Computed {
			continue
		}
		var failed diag.Diagnostics
		switch {
		case key == "effective_labels" || key == "terraform_labels":
			failed = set(key, d.Get("labels"))
		case field.Optional:
		case field.Type == "Map":
			failed = set(key, map[string]any{})
		case field.Type == "List" || field.Type == "Set":
			failed = set(key, []any{})
		}
		if failed != nil {
			return failed
		}
	}
	switch name {
	case "google_project_iam_custom_role":
		return set("name", d.Id())
	case "google_service_account":
		return set("email", fmt.Sprintf("%s@%s.iam.gserviceaccount.com", d.Get("account_id"), d.Get("project")))
	case "google_project_service_identity":
		return set("member", "serviceAccount:service-"+number+"@gcp-sa-pubsub.iam.gserviceaccount.com")
	}
	return nil
}

// imported knows of a topic what its name says.
func imported(_ context.Context, d *schema.ResourceData, _ any) ([]*schema.ResourceData, error) {
	parts := regexp.MustCompile(`^projects/([^/]+)/topics/([^/]+)$`).FindStringSubmatch(d.Id())
	if parts == nil {
		return nil, fmt.Errorf("%q is not projects/P/topics/T", d.Id())
	}
	if err := d.Set("project", parts[1]); err != nil {
		return nil, err
	}
	return []*schema.ResourceData{d}, d.Set("name", parts[2])
}

// project is the data source: like the resource, and nothing but the id is asked for.
func project(fields map[string]*field) *schema.Resource {
	all := schemas(fields)
	for _, one := range all {
		*one = schema.Schema{Type: one.Type, Elem: one.Elem, Computed: true}
	}
	all["project_id"] = &schema.Schema{Type: schema.TypeString, Optional: true}
	return &schema.Resource{
		Schema: all,
		ReadContext: func(_ context.Context, d *schema.ResourceData, _ any) diag.Diagnostics {
			d.SetId("projects/" + d.Get("project_id").(string))
			return diag.FromErr(d.Set("number", number))
		},
	}
}

func provider(isBeta bool) *schema.Provider {
	var all map[string]map[string]*field
	if err := json.Unmarshal(shape, &all); err != nil {
		panic(err)
	}
	made := &schema.Provider{
		Schema: map[string]*schema.Schema{
			"project": {Type: schema.TypeString, Optional: true},
			"region":  {Type: schema.TypeString, Optional: true},
		},
		ResourcesMap:   map[string]*schema.Resource{},
		DataSourcesMap: map[string]*schema.Resource{"google_project": project(all["google_project"])},
	}
	if isBeta {
		// Declared in the beta provider alone; this is its page of the documentation.
		all["google_project_service_identity"] = map[string]*field{
			"service": {Type: "String", Required: true, ForceNew: true},
			"project": {Type: "String", Optional: true, Computed: true, ForceNew: true},
			"email":   {Type: "String", Computed: true},
			"member":  {Type: "String", Computed: true},
		}
	}
	for name, fields := range all {
		made.ResourcesMap[name] = resource(name, fields)
	}
	return made
}

func main() {
	isBeta := strings.Contains(filepath.Base(os.Args[0]), "beta")
	plugin.Serve(&plugin.ServeOpts{ProviderFunc: func() *schema.Provider { return provider(isBeta) }})
}
