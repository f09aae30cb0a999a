package snakepit

import (
	"encoding"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

// What encoding/json cannot write, found with its place. Looked for only when it has failed.

const (
	deepest = 900
	longest = 200 // bytes of a path
)

var (
	jsonMarshaler = reflect.TypeOf((*json.Marshaler)(nil)).Elem()
	textMarshaler = reflect.TypeOf((*encoding.TextMarshaler)(nil)).Elem()
	plainName     = regexp.MustCompile(`^[\pL_]\w*$`)
)

// entered is a container, and how many keys lead to it.
type entered struct {
	value reflect.Value
	depth int
}

// firstRefused says where and what it is: "$.scores[3] is NaN, …". Empty when it finds nothing.
func firstRefused(value any) string {
	return refusedIn(reflect.ValueOf(value), nil, nil)
}

func refusedIn(value reflect.Value, keys []any, around []entered) string {
	if !value.IsValid() {
		return ""
	}
	if typ := value.Type(); typ.Implements(jsonMarshaler) || typ.Implements(textMarshaler) {
		return refusedByItself(value, keys)
	}
	switch value.Kind() {
	case reflect.Float32, reflect.Float64:
		return refusedNumber(value.Float(), keys)
	case reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		return fmt.Sprintf("%s is of type %s, which has no JSON form", pathOf(keys), value.Type())
	case reflect.Interface:
		return refusedIn(value.Elem(), keys, around)
	case reflect.Pointer, reflect.Map, reflect.Slice:
		if value.IsNil() {
			return ""
		}
		for _, one := range around {
			if isSame(one.value, value) {
				return fmt.Sprintf("%s is %s again: the value contains itself", pathOf(keys), pathOf(keys[:one.depth]))
			}
		}
		if len(around) >= deepest {
			return fmt.Sprintf("%s is nested more than %d levels deep", pathOf(keys), deepest)
		}
		around = append(around[:len(around):len(around)], entered{value, len(keys)})
	}
	return refusedInside(value, keys, around)
}

// A slice begins where its array does: only the whole of it is the same value.
func isSame(one, other reflect.Value) bool {
	if one.Type() != other.Type() || one.UnsafePointer() != other.UnsafePointer() {
		return false
	}
	return one.Kind() != reflect.Slice || one.Len() == other.Len() && one.Len() > 0
}

func refusedInside(value reflect.Value, keys []any, around []entered) string {
	inner := func(one reflect.Value, key any) string {
		return refusedIn(one, append(keys[:len(keys):len(keys)], key), around)
	}
	switch value.Kind() {
	case reflect.Pointer:
		return refusedIn(value.Elem(), keys, around)
	case reflect.Slice, reflect.Array:
		for at := 0; at < value.Len(); at++ {
			if found := inner(value.Index(at), at); found != "" {
				return found
			}
		}
	case reflect.Map:
		return refusedInMap(value, keys, inner)
	case reflect.Struct:
		for at := 0; at < value.NumField(); at++ {
			field := value.Type().Field(at)
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if field.PkgPath != "" && !field.Anonymous || name == "-" {
				continue
			}
			if name == "" {
				name = field.Name
			}
			if found := inner(value.Field(at), name); found != "" {
				return found
			}
		}
	}
	return ""
}

func refusedInMap(value reflect.Value, keys []any, inner func(reflect.Value, any) string) string {
	key := value.Type().Key()
	isWhole := key.Kind() >= reflect.Int && key.Kind() <= reflect.Uintptr
	if key.Kind() != reflect.String && !isWhole && !key.Implements(textMarshaler) {
		return fmt.Sprintf("%s has keys of type %s; the keys of a JSON object are strings", pathOf(keys), key)
	}
	entries := value.MapKeys()
	names := make(map[string]reflect.Value, len(entries))
	sorted := make([]string, 0, len(entries))
	for _, one := range entries {
		name := fmt.Sprint(one.Interface())
		names[name] = one
		sorted = append(sorted, name)
	}
	sort.Strings(sorted)
	for _, name := range sorted {
		if found := inner(value.MapIndex(names[name]), name); found != "" {
			return found
		}
	}
	return ""
}

func refusedByItself(value reflect.Value, keys []any) string {
	if value.Kind() == reflect.Pointer && value.IsNil() || !value.CanInterface() {
		return ""
	}
	if _, err := json.Marshal(value.Interface()); err != nil {
		return fmt.Sprintf("%s is of type %s, whose own JSON cannot be used", pathOf(keys), value.Type())
	}
	return ""
}

func refusedNumber(number float64, keys []any) string {
	name := specialName(number)
	if name == "" {
		return ""
	}
	return fmt.Sprintf("%s is %s, which JSON cannot hold (`--nan null` makes it null)", pathOf(keys), name)
}

// specialName is that of NaN and the infinities; empty for other numbers.
func specialName(number float64) string {
	switch {
	case math.IsNaN(number):
		return "NaN"
	case math.IsInf(number, 1):
		return "Infinity"
	case math.IsInf(number, -1):
		return "-Infinity"
	}
	return ""
}

func pathOf(keys []any) string {
	text := "$"
	for _, key := range keys {
		switch name, isName := key.(string); {
		case !isName:
			text += fmt.Sprintf("[%d]", key)
		case plainName.MatchString(name):
			text += "." + name
		default:
			text += "[" + strconv.Quote(name) + "]"
		}
	}
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest/2], "") + "…" + strings.ToValidUTF8(text[len(text)-longest/2:], "")
}
