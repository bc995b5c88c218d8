// extract reads the declarations of schemas out of a checkout of github.com/hashicorp/terraform-provider-google and prints
// what the test's provider needs of them as JSON: names, types, what is required, computed, exclusive or bounded, and the
// values that are allowed. Descriptions and code stay where they are.
//
//	go run ./extract CHECKOUT >schema.json
package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// where a resource's schema is declared: the package, and the functions or variables, of which the last wins.
type where struct {
	pkg   string
	decls []string
}

var resources = map[string]where{
	"google_cloud_run_v2_job":                    {"cloudrunv2", []string{"ResourceCloudRunV2Job"}},
	"google_cloud_run_v2_job_iam_member":         {"cloudrunv2", []string{"IamMemberBaseSchema", "CloudRunV2JobIamSchema"}},
	"google_cloud_scheduler_job":                 {"cloudscheduler", []string{"ResourceCloudSchedulerJob"}},
	"google_iam_workload_identity_pool":          {"iambeta", []string{"ResourceIAMBetaWorkloadIdentityPool"}},
	"google_iam_workload_identity_pool_provider": {"iambeta", []string{"ResourceIAMBetaWorkloadIdentityPoolProvider"}},
	"google_kms_crypto_key":                      {"kms", []string{"ResourceKMSCryptoKey"}},
	"google_kms_crypto_key_iam_member":           {"kms", []string{"IamMemberBaseSchema", "IamKmsCryptoKeySchema"}},
	"google_kms_key_ring":                        {"kms", []string{"ResourceKMSKeyRing"}},
	"google_project":                             {"resourcemanager", []string{"ResourceGoogleProject"}},
	"google_project_iam_custom_role":             {"resourcemanager", []string{"ResourceGoogleProjectIamCustomRole"}},
	"google_project_iam_member":                  {"resourcemanager", []string{"IamMemberBaseSchema", "IamProjectSchema"}},
	"google_project_service":                     {"resourcemanager", []string{"ResourceGoogleProjectService"}},
	"google_pubsub_subscription":                 {"pubsub", []string{"ResourcePubsubSubscription"}},
	"google_pubsub_subscription_iam_member":      {"pubsub", []string{"IamMemberBaseSchema", "IamPubsubSubscriptionSchema"}},
	"google_pubsub_topic":                        {"pubsub", []string{"ResourcePubsubTopic"}},
	"google_pubsub_topic_iam_member":             {"pubsub", []string{"IamMemberBaseSchema", "PubsubTopicIamSchema"}},
	"google_service_account":                     {"resourcemanager", []string{"ResourceGoogleServiceAccount"}},
}

// Field is a schema.Schema.
type Field struct {
	Type          string            `json:"type"`
	Required      bool              `json:"required,omitempty"`
	Optional      bool              `json:"optional,omitempty"`
	Computed      bool              `json:"computed,omitempty"`
	ForceNew      bool              `json:"forceNew,omitempty"`
	MaxItems      int               `json:"maxItems,omitempty"`
	MinItems      int               `json:"minItems,omitempty"`
	ConfigMode    string            `json:"configMode,omitempty"`
	Default       any               `json:"default,omitempty"`
	Enum          []string          `json:"enum,omitempty"`
	Pattern       string            `json:"pattern,omitempty"`
	ConflictsWith []string          `json:"conflictsWith,omitempty"`
	ExactlyOneOf  []string          `json:"exactlyOneOf,omitempty"`
	AtLeastOneOf  []string          `json:"atLeastOneOf,omitempty"`
	RequiredWith  []string          `json:"requiredWith,omitempty"`
	Element       string            `json:"element,omitempty"`
	Fields        map[string]*Field `json:"fields,omitempty"`
}

// pkg is the declarations of one package, by name.
type pkg map[string]ast.Expr

func read(dir string) pkg {
	found := pkg{}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	check(err)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		check(err)
		for _, decl := range parsed.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				if decl.Body == nil || decl.Recv != nil {
					continue
				}
				for _, statement := range decl.Body.List {
					if returned, ok := statement.(*ast.ReturnStmt); ok && len(returned.Results) == 1 {
						found[decl.Name.Name] = returned.Results[0]
					}
				}
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					if value, ok := spec.(*ast.ValueSpec); ok && len(value.Values) == 1 {
						found[value.Names[0].Name] = value.Values[0]
					}
				}
			}
		}
	}
	return found
}

func main() {
	if len(os.Args) != 2 {
		fail("usage: extract CHECKOUT of terraform-provider-google")
	}
	root := filepath.Join(os.Args[1], "google")
	iam := read(filepath.Join(root, "tpgiamresource"))
	packages := map[string]pkg{}
	all := map[string]map[string]*Field{}
	for name, at := range resources {
		if packages[at.pkg] == nil {
			packages[at.pkg] = read(filepath.Join(root, "services", at.pkg))
		}
		all[name] = map[string]*Field{}
		for _, decl := range at.decls {
			from := packages[at.pkg]
			expr, ok := from[decl]
			if !ok {
				from = iam
				expr, ok = from[decl]
			}
			if !ok {
				fail("%s: %s is declared nowhere", name, decl)
			}
			for key, field := range from.fields(expr) {
				all[name][key] = field
			}
		}
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	check(encoder.Encode(all))
}

// fields of a schema.Resource, or of a map of schemas.
func (p pkg) fields(expr ast.Expr) map[string]*Field {
	literal := p.literal(expr)
	if literal == nil {
		return nil
	}
	if _, isMap := literal.Type.(*ast.MapType); !isMap {
		inner := entry(literal, "Schema")
		if inner == nil {
			return nil
		}
		return p.fields(inner)
	}
	found := map[string]*Field{}
	for _, one := range literal.Elts {
		pair := one.(*ast.KeyValueExpr)
		found[text(pair.Key)] = p.field(pair.Value)
	}
	return found
}

// literal behind pointers, variables and functions that only return it.
func (p pkg) literal(expr ast.Expr) *ast.CompositeLit {
	switch expr := expr.(type) {
	case *ast.UnaryExpr:
		return p.literal(expr.X)
	case *ast.CompositeLit:
		return expr
	case *ast.Ident:
		return p.literal(p[expr.Name])
	case *ast.CallExpr:
		if name, ok := expr.Fun.(*ast.Ident); ok {
			return p.literal(p[name.Name])
		}
	}
	return nil
}

func (p pkg) field(expr ast.Expr) *Field {
	if call, ok := expr.(*ast.CallExpr); ok && strings.HasSuffix(name(call.Fun), "DeletionPolicySchemaEntry") {
		return &Field{Type: "String", Optional: true, Computed: true}
	}
	literal := p.literal(expr)
	if literal == nil {
		fail("a field is not written out: %T", expr)
	}
	field := &Field{}
	for _, one := range literal.Elts {
		pair := one.(*ast.KeyValueExpr)
		value := pair.Value
		switch name(pair.Key) {
		case "Type":
			field.Type = strings.TrimPrefix(name(value), "Type")
		case "Required":
			field.Required = name(value) == "true"
		case "Optional":
			field.Optional = name(value) == "true"
		case "Computed":
			field.Computed = name(value) == "true"
		case "ForceNew":
			field.ForceNew = name(value) == "true"
		case "MaxItems":
			field.MaxItems, _ = strconv.Atoi(value.(*ast.BasicLit).Value)
		case "MinItems":
			field.MinItems, _ = strconv.Atoi(value.(*ast.BasicLit).Value)
		case "ConfigMode":
			field.ConfigMode = strings.TrimPrefix(name(value), "SchemaConfigMode")
		case "Default":
			field.Default = constant(value)
		case "ConflictsWith":
			field.ConflictsWith = texts(value)
		case "ExactlyOneOf":
			field.ExactlyOneOf = texts(value)
		case "AtLeastOneOf":
			field.AtLeastOneOf = texts(value)
		case "RequiredWith":
			field.RequiredWith = texts(value)
		case "ValidateFunc":
			field.allowed(value)
		case "Elem":
			p.element(field, value)
		}
	}
	return field
}

func (p pkg) element(field *Field, expr ast.Expr) {
	if literal := p.literal(expr); literal != nil && strings.HasSuffix(name(literal.Type), "Schema") {
		field.Element = strings.TrimPrefix(name(entry(literal, "Type")), "Type")
		return
	}
	field.Fields = p.fields(expr)
}

// allowed takes what a check says as data; what it does in code is not known here.
func (f *Field) allowed(expr ast.Expr) {
	call, ok := expr.(*ast.CallExpr)
	if !ok {
		return
	}
	switch name(call.Fun) {
	case "ValidateEnum", "StringInSlice":
		f.Enum = texts(call.Args[0])
	case "ValidateRegexp":
		if literal, ok := call.Args[0].(*ast.BasicLit); ok {
			f.Pattern = text(literal)
		}
	}
}

func entry(literal *ast.CompositeLit, key string) ast.Expr {
	for _, one := range literal.Elts {
		if pair, ok := one.(*ast.KeyValueExpr); ok && name(pair.Key) == key {
			return pair.Value
		}
	}
	return nil
}

// name without the package before it.
func name(expr ast.Expr) string {
	switch expr := expr.(type) {
	case *ast.Ident:
		return expr.Name
	case *ast.SelectorExpr:
		return expr.Sel.Name
	}
	return ""
}

func constant(expr ast.Expr) any {
	if literal, ok := expr.(*ast.BasicLit); ok {
		if literal.Kind == token.STRING {
			return text(literal)
		}
		number, err := strconv.ParseFloat(literal.Value, 64)
		check(err)
		return number
	}
	switch name(expr) {
	case "true":
		return true
	case "false":
		return false
	}
	return nil
}

func texts(expr ast.Expr) []string {
	literal, ok := expr.(*ast.CompositeLit)
	if !ok {
		return nil
	}
	var found []string
	for _, one := range literal.Elts {
		if one, ok := one.(*ast.BasicLit); ok {
			found = append(found, text(one))
		}
	}
	return found
}

func text(expr ast.Expr) string {
	text, err := strconv.Unquote(expr.(*ast.BasicLit).Value)
	check(err)
	return text
}

func check(err error) {
	if err != nil {
		fail("%v", err)
	}
}

func fail(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", arguments...)
	os.Exit(1)
}
