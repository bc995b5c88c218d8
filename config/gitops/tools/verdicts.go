// Command tools says what GitOps controllers make of an object: kstatus, by which Flux and kubectl's kin wait, and Argo CD's health script.
//
//	tools SCRIPT <OBJECTS    OBJECTS: a JSON list; prints a JSON list of {"kstatus", "argo", "message"}
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

type verdict struct {
	Kstatus string `json:"kstatus"`
	Argo    string `json:"argo"`
	Message string `json:"message"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("usage: %s SCRIPT <OBJECTS", os.Args[0])
	}
	script, err := os.ReadFile(os.Args[1])
	if err != nil {
		return err
	}
	var items []json.RawMessage
	if err := json.NewDecoder(os.Stdin).Decode(&items); err != nil {
		return err
	}
	verdicts := []verdict{}
	for _, item := range items {
		// Integers stay integers, as kstatus wants generations.
		var object unstructured.Unstructured
		if err := object.UnmarshalJSON(item); err != nil {
			return err
		}
		result, err := status.Compute(&object)
		if err != nil {
			return err
		}
		argo, message, err := health(string(script), object.Object)
		if err != nil {
			return err
		}
		verdicts = append(verdicts, verdict{Kstatus: string(result.Status), Argo: argo, Message: message})
	}
	return json.NewEncoder(os.Stdout).Encode(verdicts)
}

// Argo CD runs the script with the object as `obj`, on this interpreter, with its base, table, string and math libraries.
func health(script string, object map[string]any) (string, string, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, library := range []lua.LGFunction{lua.OpenBase, lua.OpenTable, lua.OpenString, lua.OpenMath} {
		library(state)
	}
	state.SetGlobal("obj", value(state, object))
	if err := state.DoString(script); err != nil {
		return "", "", err
	}
	returned, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return "", "", fmt.Errorf("the script returned no table")
	}
	return lua.LVAsString(returned.RawGetString("status")), lua.LVAsString(returned.RawGetString("message")), nil
}

func value(state *lua.LState, from any) lua.LValue {
	switch from := from.(type) {
	case bool:
		return lua.LBool(from)
	case string:
		return lua.LString(from)
	case int64:
		return lua.LNumber(from)
	case float64:
		return lua.LNumber(from)
	case []any:
		table := state.NewTable()
		for _, one := range from {
			table.Append(value(state, one))
		}
		return table
	case map[string]any:
		table := state.NewTable()
		for key, one := range from {
			table.RawSetString(key, value(state, one))
		}
		return table
	default:
		return lua.LNil
	}
}
