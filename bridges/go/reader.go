package snakepit

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// reader reads objects of plain values into a struct: strings, numbers and booleans without anything unusual. All else,
// and whatever is wrong, it leaves to encoding/json, with which it agrees wherever it reads something.
type reader struct {
	slots    []slot // in the order of the parameters
	required uint64 // a bit for each
}

// slot is where the value of a parameter goes.
type slot struct {
	name   string
	offset uintptr
	kind   reflect.Kind // Invalid: only encoding/json reads it
}

const mostSlots = 64

// readerOf is nil for a type that it is not for.
func readerOf(typ reflect.Type, args *arguments) *reader {
	if typ.Kind() != reflect.Struct || hasMethods(typ, unmarshalers) || len(args.parameters) > mostSlots {
		return nil
	}
	made := &reader{}
	for at := 0; at < typ.NumField(); at++ {
		one := typ.Field(at)
		name, options, _ := strings.Cut(one.Tag.Get("json"), ",")
		if one.Anonymous || strings.Contains(options, "string") {
			return nil
		}
		if one.PkgPath != "" || name == "-" {
			continue
		}
		if name == "" {
			name = one.Name
		}
		where := slot{name: name, offset: one.Offset}
		if isScalar(one.Type.Kind()) && !hasMethods(one.Type, unmarshalers) {
			where.kind = one.Type.Kind()
		}
		// The default of any other field could be shared by items: a slice, what a pointer points at.
		if _, hasDefault := one.Tag.Lookup("default"); !isPlainName(name) || hasDefault && where.kind == reflect.Invalid {
			return nil
		}
		made.slots = append(made.slots, where)
	}
	for at, one := range args.parameters {
		if one.required {
			made.required |= 1 << at
		}
	}
	if len(made.slots) != len(args.indexes) { // two have the same name
		return nil
	}
	return made
}

var (
	unmarshalers = []reflect.Type{
		reflect.TypeOf((*json.Unmarshaler)(nil)).Elem(), reflect.TypeOf((*encoding.TextUnmarshaler)(nil)).Elem(),
	}
	marshalers = []reflect.Type{
		reflect.TypeOf((*json.Marshaler)(nil)).Elem(), reflect.TypeOf((*encoding.TextMarshaler)(nil)).Elem(),
	}
	jsonNumber = reflect.TypeOf(json.Number(""))
)

// hasMethods says whether encoding/json does something special for a type.
func hasMethods(typ reflect.Type, methods []reflect.Type) bool {
	for _, one := range methods {
		if typ.Implements(one) || reflect.PointerTo(typ).Implements(one) {
			return true
		}
	}
	return typ == jsonNumber
}

func isScalar(kind reflect.Kind) bool {
	switch kind {
	case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return true
	}
	return false
}

// isPlainName says whether a name is written as it is, and is one that encoding/json takes out of a tag.
func isPlainName(name string) bool {
	for at := 0; at < len(name); at++ {
		switch c := name[at]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-', c == '.':
		default:
			return false
		}
	}
	return name != ""
}

// read fills in the struct at `into`. `there` says what it has already; more of it is returned. When it cannot, the
// struct may be half filled in.
func (r *reader) read(data []byte, into unsafe.Pointer, there uint64) (uint64, bool) {
	at := skip(data, 0)
	if at >= len(data) || data[at] != '{' {
		return 0, false
	}
	at = skip(data, at+1)
	if at < len(data) && data[at] == '}' {
		return there, skip(data, at+1) == len(data)
	}
	for next := 0; at < len(data) && data[at] == '"'; at = skip(data, at+1) {
		at, next = r.find(data, at+1, next)
		if at = skip(data, at); next < 0 || at >= len(data) || data[at] != ':' {
			return 0, false
		}
		if at = r.slots[next].read(data, skip(data, at+1), into); at < 0 {
			return 0, false
		}
		there |= 1 << next
		next++
		if at = skip(data, at); at >= len(data) || data[at] != ',' {
			return there, at < len(data) && data[at] == '}' && skip(data, at+1) == len(data)
		}
	}
	return 0, false
}

// find is the number of the slot whose name begins here, and what is behind its quote; -1 when there is none. Names
// mostly come in the order of the fields: the one that is likely is tried first.
func (r *reader) find(data []byte, at, likely int) (behind, number int) {
	for tries := len(r.slots); tries > 0; tries-- {
		if likely >= len(r.slots) {
			likely = 0
		}
		name := r.slots[likely].name
		if end := at + len(name); end < len(data) && data[end] == '"' && string(data[at:end]) == name {
			return end + 1, likely
		}
		likely++
	}
	return at, -1
}

func skip(data []byte, at int) int {
	for at < len(data) && (data[at] == ' ' || data[at] == '\t' || data[at] == '\r' || data[at] == '\n') {
		at++
	}
	return at
}

// read sets the value that begins here. What is behind it; -1 when encoding/json has to look.
func (s *slot) read(data []byte, at int, into unsafe.Pointer) int {
	place := unsafe.Add(into, s.offset)
	switch s.kind {
	case reflect.String:
		end, isPlain := plainText(data, at)
		if isPlain {
			*(*string)(place) = string(data[at+1 : end-1])
			return end
		}
	case reflect.Bool:
		for _, word := range [...]string{"true", "false"} {
			if end := at + len(word); end <= len(data) && string(data[at:end]) == word {
				*(*bool)(place) = word == "true"
				return end
			}
		}
	case reflect.Float32, reflect.Float64:
		return s.float(data, at, place)
	case reflect.Invalid:
	default:
		if number, end := wholeNumber(data, at); end >= 0 && s.set(number, place) {
			return end
		}
	}
	return -1
}

// plainText says whether a text without escapes begins here, and what is behind it.
func plainText(data []byte, at int) (end int, isPlain bool) {
	if at >= len(data) || data[at] != '"' {
		return 0, false
	}
	var seen byte
	for end = at + 1; end < len(data); end++ {
		switch c := data[end]; {
		case c == '"':
			return end + 1, seen < utf8.RuneSelf || utf8.Valid(data[at+1:end])
		case c == '\\' || c < ' ':
			return 0, false
		default:
			seen |= c
		}
	}
	return 0, false
}

const mostDigits = 18 // that surely fit into 64 bits

// wholeNumber is one without fraction and exponent, and what is behind it; -1 when there is none.
func wholeNumber(data []byte, at int) (number int64, end int) {
	first := at
	if at < len(data) && data[at] == '-' {
		first++
	}
	end = first
	for ; end < len(data) && '0' <= data[end] && data[end] <= '9'; end++ {
		if end-first >= mostDigits {
			return 0, -1
		}
		number = 10*number + int64(data[end]-'0')
	}
	if end == first || end > first+1 && data[first] == '0' {
		return 0, -1
	}
	if end < len(data) && (data[end] == '.' || data[end] == 'e' || data[end] == 'E') {
		return 0, -1
	}
	if first > at {
		if number == 0 {
			return 0, -1 // not the same as 0 for floats, and no unsigned number
		}
		number = -number
	}
	return number, end
}

// set stores a whole number, unless it is too large for its place.
func (s *slot) set(number int64, place unsafe.Pointer) bool {
	switch s.kind {
	case reflect.Int:
		*(*int)(place) = int(number)
		return int64(int(number)) == number
	case reflect.Int64:
		*(*int64)(place) = number
		return true
	case reflect.Int32:
		*(*int32)(place) = int32(number)
		return int64(int32(number)) == number
	case reflect.Int16:
		*(*int16)(place) = int16(number)
		return int64(int16(number)) == number
	case reflect.Int8:
		*(*int8)(place) = int8(number)
		return int64(int8(number)) == number
	case reflect.Uint:
		*(*uint)(place) = uint(number)
		return number >= 0 && int64(uint(number)) == number
	case reflect.Uint64:
		*(*uint64)(place) = uint64(number)
		return number >= 0
	case reflect.Uint32:
		*(*uint32)(place) = uint32(number)
		return int64(uint32(number)) == number
	case reflect.Uint16:
		*(*uint16)(place) = uint16(number)
		return int64(uint16(number)) == number
	case reflect.Uint8:
		*(*uint8)(place) = uint8(number)
		return int64(uint8(number)) == number
	}
	return false
}

const exact = 1 << 53 // whole numbers up to here are exact in a float64

func (s *slot) float(data []byte, at int, place unsafe.Pointer) int {
	number, end := wholeNumber(data, at)
	if end >= 0 && s.kind == reflect.Float64 && -exact <= number && number <= exact {
		*(*float64)(place) = float64(number)
		return end
	}
	if end = numberEnd(data, at); end < 0 {
		return -1
	}
	bits := 64
	if s.kind == reflect.Float32 {
		bits = 32
	}
	text := data[at:end]
	found, err := strconv.ParseFloat(*(*string)(unsafe.Pointer(&text)), bits)
	if err != nil {
		return -1
	}
	if bits == 32 {
		*(*float32)(place) = float32(found)
	} else {
		*(*float64)(place) = found
	}
	return end
}

// numberEnd is behind a number of JSON that begins here; -1 when there is none.
func numberEnd(data []byte, at int) int {
	digits := func() bool {
		first := at
		for at < len(data) && '0' <= data[at] && data[at] <= '9' {
			at++
		}
		return at > first
	}
	if at < len(data) && data[at] == '-' {
		at++
	}
	first := at
	if !digits() || at > first+1 && data[first] == '0' {
		return -1
	}
	if at < len(data) && data[at] == '.' {
		if at++; !digits() {
			return -1
		}
	}
	if at < len(data) && (data[at] == 'e' || data[at] == 'E') {
		if at++; at < len(data) && (data[at] == '+' || data[at] == '-') {
			at++
		}
		if !digits() {
			return -1
		}
	}
	return at
}
