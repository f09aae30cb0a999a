package snakepit

import (
	"math"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// shape is how values of a type are written: byte by byte what encoding/json writes. What a shape refuses, and types that
// have none, are written by encoding/json, which also says what is wrong.
type shape struct {
	kind   reflect.Kind // Interface: whatever is in an `any`
	size   uintptr
	inner  *shape // of what a slice or a pointer holds
	fields []member
}

type member struct {
	shape  *shape
	offset uintptr
	text   string // its name with what is around it
	omit   bool   // when it is empty
}

// shapeOf is nil for a type that has none. `outer` are those that it is in.
func shapeOf(typ reflect.Type, outer ...reflect.Type) *shape {
	for _, one := range outer {
		if one == typ {
			return nil // it may be a ring
		}
	}
	if hasMethods(typ, marshalers) {
		return nil
	}
	made := &shape{kind: typ.Kind(), size: typ.Size()}
	outer = append(outer, typ)
	switch kind := typ.Kind(); {
	case isScalar(kind):
		return made
	case kind == reflect.Interface && typ.NumMethod() == 0:
		return made
	case kind == reflect.Struct:
		return made.withFields(typ, outer)
	case kind == reflect.Pointer, kind == reflect.Slice && typ.Elem().Kind() != reflect.Uint8:
		if made.inner = shapeOf(typ.Elem(), outer...); made.inner != nil {
			return made
		}
	}
	return nil
}

func (s *shape) withFields(typ reflect.Type, outer []reflect.Type) *shape {
	names := map[string]bool{}
	for at := 0; at < typ.NumField(); at++ {
		one := typ.Field(at)
		tag := one.Tag.Get("json")
		if one.Anonymous {
			return nil
		}
		if one.PkgPath != "" || tag == "-" {
			continue
		}
		name, option, _ := strings.Cut(tag, ",")
		if name == "" {
			name = one.Name
		}
		inner := shapeOf(one.Type, outer...)
		if inner == nil || names[name] || !isPlainName(name) || option != "" && option != "omitempty" {
			return nil
		}
		names[name] = true
		s.fields = append(s.fields, member{inner, one.Offset, `"` + name + `":`, option != ""})
	}
	return s
}

// append writes the value at a place; false when encoding/json has to.
func (s *shape) append(out []byte, at unsafe.Pointer) ([]byte, bool) {
	switch s.kind {
	case reflect.String:
		return appendText(out, *(*string)(at))
	case reflect.Bool:
		return strconv.AppendBool(out, *(*bool)(at)), true
	case reflect.Float64:
		return appendFloat(out, *(*float64)(at), 64)
	case reflect.Float32:
		return appendFloat(out, float64(*(*float32)(at)), 32)
	case reflect.Struct:
		return s.appendFields(out, at)
	case reflect.Slice:
		return s.appendItems(out, at)
	case reflect.Pointer:
		if inner := *(*unsafe.Pointer)(at); inner != nil {
			return s.inner.append(out, inner)
		}
		return append(out, "null"...), true
	case reflect.Interface:
		return appendAny(out, *(*any)(at), deepestAny)
	}
	if number, isUnsigned := s.number(at); isUnsigned {
		return strconv.AppendUint(out, number, 10), true
	} else {
		return strconv.AppendInt(out, int64(number), 10), true
	}
}

// number is a whole number, and whether it is of an unsigned type.
func (s *shape) number(at unsafe.Pointer) (uint64, bool) {
	switch s.kind {
	case reflect.Int:
		return uint64(*(*int)(at)), false
	case reflect.Int64:
		return uint64(*(*int64)(at)), false
	case reflect.Int32:
		return uint64(*(*int32)(at)), false
	case reflect.Int16:
		return uint64(*(*int16)(at)), false
	case reflect.Int8:
		return uint64(*(*int8)(at)), false
	case reflect.Uint:
		return uint64(*(*uint)(at)), true
	case reflect.Uint64:
		return *(*uint64)(at), true
	case reflect.Uint32:
		return uint64(*(*uint32)(at)), true
	case reflect.Uint16:
		return uint64(*(*uint16)(at)), true
	}
	return uint64(*(*uint8)(at)), true
}

func (s *shape) appendFields(out []byte, at unsafe.Pointer) ([]byte, bool) {
	out = append(out, '{')
	first := len(out)
	for index := range s.fields {
		one := &s.fields[index]
		place := unsafe.Add(at, one.offset)
		if one.omit && one.shape.isEmpty(place) {
			continue
		}
		if len(out) > first {
			out = append(out, ',')
		}
		out = append(out, one.text...)
		var isDone bool
		if out, isDone = one.shape.append(out, place); !isDone {
			return out, false
		}
	}
	return append(out, '}'), true
}

func (s *shape) isEmpty(at unsafe.Pointer) bool {
	switch s.kind {
	case reflect.String:
		return *(*string)(at) == ""
	case reflect.Bool:
		return !*(*bool)(at)
	case reflect.Float64:
		return *(*float64)(at) == 0
	case reflect.Float32:
		return *(*float32)(at) == 0
	case reflect.Slice:
		return len(*(*[]struct{})(at)) == 0
	case reflect.Pointer:
		return *(*unsafe.Pointer)(at) == nil
	case reflect.Interface:
		return *(*any)(at) == nil
	case reflect.Struct:
		return false
	}
	number, _ := s.number(at)
	return number == 0
}

func (s *shape) appendItems(out []byte, at unsafe.Pointer) ([]byte, bool) {
	items := *(*[]struct{})(at) // its length is right, whatever it holds
	if items == nil {
		return append(out, "null"...), true
	}
	first := *(*unsafe.Pointer)(at)
	out = append(out, '[')
	for index := range items {
		if index > 0 {
			out = append(out, ',')
		}
		var isDone bool
		if out, isDone = s.inner.append(out, unsafe.Add(first, uintptr(index)*s.inner.size)); !isDone {
			return out, false
		}
	}
	return append(out, ']'), true
}

// --------------------------------------------------------------------------------------------------- values

const (
	deepestAny = 32 // levels; what is deeper may be a ring
	fewNames   = 16
)

// appendAny writes the usual values of an `any`; false when encoding/json has to.
func appendAny(out []byte, value any, levels int) ([]byte, bool) {
	switch found := value.(type) {
	case nil:
		return append(out, "null"...), true
	case string:
		return appendText(out, found)
	case bool:
		return strconv.AppendBool(out, found), true
	case int:
		return strconv.AppendInt(out, int64(found), 10), true
	case int64:
		return strconv.AppendInt(out, found, 10), true
	case float64:
		return appendFloat(out, found, 64)
	case map[string]any:
		return appendMap(out, found, func(out []byte, one any) ([]byte, bool) { return appendAny(out, one, levels-1) }, levels)
	case map[string]string:
		return appendMap(out, found, appendText, levels)
	case map[string]int:
		return appendMap(out, found, appendWhole[int], levels)
	case map[string]int64:
		return appendMap(out, found, appendWhole[int64], levels)
	case map[string]float64:
		return appendMap(out, found, func(out []byte, one float64) ([]byte, bool) { return appendFloat(out, one, 64) }, levels)
	case []any:
		return appendList(out, found, levels)
	}
	return out, false
}

func appendWhole[T int | int64](out []byte, number T) ([]byte, bool) {
	return strconv.AppendInt(out, int64(number), 10), true
}

// appendMap writes the names in their order, as encoding/json does.
func appendMap[T any](out []byte, all map[string]T, one func([]byte, T) ([]byte, bool), levels int) ([]byte, bool) {
	if all == nil {
		return append(out, "null"...), true
	}
	if levels == 0 {
		return out, false
	}
	var few [fewNames]string
	names := few[:0]
	for name := range all {
		names = append(names, name)
	}
	if len(names) > fewNames {
		names = sorted(names)
	}
	for at := 1; at < len(names) && len(names) <= fewNames; at++ {
		for to := at; to > 0 && names[to] < names[to-1]; to-- {
			names[to], names[to-1] = names[to-1], names[to]
		}
	}
	out = append(out, '{')
	for at, name := range names {
		if at > 0 {
			out = append(out, ',')
		}
		var isDone bool
		if out, isDone = appendText(out, name); !isDone {
			return out, false
		}
		out = append(out, ':')
		if out, isDone = one(out, all[name]); !isDone {
			return out, false
		}
	}
	return append(out, '}'), true
}

// sorted is a copy: what sort takes is no longer on the stack.
func sorted(names []string) []string {
	names = append([]string(nil), names...)
	sort.Strings(names)
	return names
}

func appendList(out []byte, all []any, levels int) ([]byte, bool) {
	if all == nil {
		return append(out, "null"...), true
	}
	if levels == 0 {
		return out, false
	}
	out = append(out, '[')
	for at, one := range all {
		if at > 0 {
			out = append(out, ',')
		}
		var isDone bool
		if out, isDone = appendAny(out, one, levels-1); !isDone {
			return out, false
		}
	}
	return append(out, ']'), true
}

var escapes = [' ']byte{'\n': 'n', '\r': 'r', '\t': 't'}

// appendText writes a text in which nothing unusual has to be escaped.
func appendText(out []byte, text string) ([]byte, bool) {
	out = append(out, '"')
	first := 0
	for at := 0; at < len(text); {
		c := text[at]
		switch {
		case c == '"' || c == '\\':
			out = append(append(out, text[first:at]...), '\\')
			first = at
			at++
		case c < ' ':
			if escapes[c] == 0 {
				return out, false
			}
			out = append(append(out, text[first:at]...), '\\', escapes[c])
			at++
			first = at
		case c < utf8.RuneSelf:
			at++
		default:
			found, size := utf8.DecodeRuneInString(text[at:])
			if found == utf8.RuneError && size == 1 || found == '\u2028' || found == '\u2029' {
				return out, false
			}
			at += size
		}
	}
	return append(append(out, text[first:]...), '"'), true
}

// appendFloat writes a number as encoding/json does, which is as ES6 does.
func appendFloat(out []byte, number float64, bits int) ([]byte, bool) {
	if math.IsNaN(number) || math.IsInf(number, 0) {
		return out, false
	}
	size := math.Abs(number)
	isSmall, isLarge := size < 1e-6, size >= 1e21
	if bits == 32 {
		isSmall, isLarge = float32(size) < 1e-6, float32(size) >= 1e21
	}
	if size == 0 || !isSmall && !isLarge {
		return strconv.AppendFloat(out, number, 'f', -1, bits), true
	}
	out = strconv.AppendFloat(out, number, 'e', -1, bits)
	if last := len(out); last >= 4 && out[last-4] == 'e' && out[last-3] == '-' && out[last-2] == '0' {
		out = append(out[:last-2], out[last-1]) // e-09 to e-9
	}
	return out, true
}
