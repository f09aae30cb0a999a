package snakepit

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// encoding/json knows nothing of parts. So each has a token in the JSON: base64 of bytes that nothing else is, and of its
// number. Handlers get the part where the token was; answers get the part's place where it was.

const tokenBytes = 21 // no base64 of them ends with `=`

var (
	tokenMark   = newTokenMark()
	tokenPrefix = base64.StdEncoding.EncodeToString(tokenMark)
	bytesType   = reflect.TypeOf([]byte(nil))
	arrayType   = reflect.TypeOf(Array{})
	binaryType  = reflect.TypeOf(Binary{})
)

func newTokenMark() []byte {
	mark := make([]byte, tokenBytes-3)
	_, _ = rand.Read(mark)
	return mark
}

func token(number int) []byte {
	return append(tokenMark[:len(tokenMark):len(tokenMark)], byte(number>>16), byte(number>>8), byte(number))
}

func isToken(data []byte) bool { return len(data) == tokenBytes && bytes.HasPrefix(data, tokenMark) }

func numberOf(token []byte) int {
	return int(token[tokenBytes-3])<<16 | int(token[tokenBytes-2])<<8 | int(token[tokenBytes-1])
}

// --------------------------------------------------------------------------------------------------------- in

// tokens is the JSON of a message with tokens in the places of its parts.
func tokens(message []byte) (text []byte, found []part, err error) {
	text, parts, err := unpack(message)
	if err != nil {
		return nil, nil, err
	}
	var value any
	if err := decode(text, &value); err != nil {
		return nil, nil, fmt.Errorf("not valid JSON: %w", err)
	}
	found = make([]part, len(parts))
	used := 0
	value, err = tokened(value, func(place map[string]any) ([]byte, error) {
		at, one, err := placed(place, parts)
		if err == nil && found[at].data != nil {
			err = fmt.Errorf("part %d has two places", at)
		}
		if err != nil {
			return nil, err
		}
		if one.data == nil {
			one.data = []byte{}
		}
		found[at] = one
		used++
		return token(at), nil
	})
	if err == nil && used < len(parts) {
		err = fmt.Errorf("%d of %d parts have no place", len(parts)-used, len(parts))
	}
	if err != nil {
		return nil, nil, err
	}
	text, err = json.Marshal(value)
	return text, found, err
}

func tokened(value any, take func(map[string]any) ([]byte, error)) (any, error) {
	var err error
	switch inner := value.(type) {
	case map[string]any:
		if _, is := inner[placeKey]; is {
			return take(inner)
		}
		for key, one := range inner {
			if inner[key], err = tokened(one, take); err != nil {
				return nil, err
			}
		}
	case []any:
		for at, one := range inner {
			if inner[at], err = tokened(one, take); err != nil {
				return nil, err
			}
		}
	}
	return value, nil
}

// filled is a value with the parts where their tokens are. Fails for a token where no part can be.
func filled(value reflect.Value, parts []part) (reflect.Value, error) {
	var failed error
	made := copied(value, 0, func(one reflect.Value) (reflect.Value, bool) {
		switch {
		case one.Type() == arrayType || one.Type() == binaryType:
			inner := one.FieldByName("Data").Bytes()
			if !isToken(inner) {
				return one, true
			}
			found := parts[numberOf(inner)]
			if one.Type() == binaryType {
				return reflect.ValueOf(Binary{found.typ, found.data}), true
			}
			if found.dtype == "" {
				failed = fmt.Errorf("part %d is bytes, not an array", numberOf(inner))
			}
			return reflect.ValueOf(Array{found.dtype, found.shape, found.data}), true
		case one.Type() == bytesType && isToken(one.Bytes()):
			return reflect.ValueOf(parts[numberOf(one.Bytes())].data), true
		case one.Kind() == reflect.Slice && one.Type().Elem().Kind() == reflect.Uint8:
			if bytes.Contains(one.Bytes(), []byte(tokenPrefix)) {
				failed = errors.New("a part is where JSON was expected")
			}
		case one.Kind() == reflect.String && len(one.String()) == tokenBytes/3*4:
			data, err := base64.StdEncoding.DecodeString(one.String())
			if err == nil && isToken(data) {
				failed = fmt.Errorf("part %d is where a text was expected", numberOf(data))
			}
		case one.Kind() == reflect.Interface && !one.IsNil() && one.Elem().Kind() == reflect.String:
			data, err := base64.StdEncoding.DecodeString(one.Elem().String())
			if err == nil && isToken(data) && one.NumMethod() == 0 {
				return reflect.ValueOf(parts[numberOf(data)].value()), true
			}
		}
		return one, isLeaf(one.Type())
	})
	return made, failed
}

// isLeaf says that nothing in a value of this type can be a part: it is not looked through element by element.
func isLeaf(typ reflect.Type) bool {
	if typ == arrayType || typ == binaryType || typ == bytesType {
		return false
	}
	switch typ.Kind() {
	case reflect.Slice, reflect.Array:
		inner := typ.Elem().Kind()
		return inner >= reflect.Bool && inner <= reflect.Complex128
	}
	return false
}

// value is what an `any` gets.
func (p part) value() any {
	switch {
	case p.dtype != "":
		return Array{p.dtype, p.shape, p.data}
	case p.typ != "":
		return Binary{p.typ, p.data}
	}
	return p.data
}

// -------------------------------------------------------------------------------------------------------- out

// withTokens is a copy of a value with a token in the place of each part.
func withTokens(value any) (any, []part) {
	if value == nil {
		return nil, nil
	}
	var parts []part
	made := copied(reflect.ValueOf(value), 0, func(one reflect.Value) (reflect.Value, bool) {
		typ := one.Type()
		switch {
		case typ == arrayType:
			array := one.Interface().(Array)
			if array.check() != nil {
				return one, true // what is wrong with it is said when it is written
			}
			parts = append(parts, part{data: array.Data, dtype: array.DType, shape: array.Shape})
			return reflect.ValueOf(Array{Data: token(len(parts) - 1)}), true
		case typ == binaryType:
			found := one.Interface().(Binary)
			parts = append(parts, part{data: found.Data, typ: found.Type})
			return reflect.ValueOf(Binary{Data: token(len(parts) - 1)}), true
		case typ == bytesType && !one.IsNil():
			parts = append(parts, part{data: one.Bytes()})
			return reflect.ValueOf(token(len(parts) - 1)), true
		}
		if typ.Kind() == reflect.Pointer && (typ.Elem() == arrayType || typ.Elem() == binaryType) {
			return one, false
		}
		return one, isLeaf(typ) || typ.Implements(jsonMarshaler) || typ.Implements(textMarshaler)
	})
	return made.Interface(), parts
}

// withPlaces is JSON with the places of parts where their tokens are. Fails when it says `$binary` elsewhere.
func withPlaces(text []byte, parts []part) ([]byte, error) {
	var out bytes.Buffer
	mark := []byte(`"` + tokenPrefix)
	for number := 0; ; number++ {
		at := bytes.Index(text, mark)
		if at < 0 {
			break
		}
		out.Write(text[:at])
		end := at + 2 + tokenBytes/3*4
		var found []byte
		if err := json.Unmarshal(text[at:end], &found); err != nil || !isToken(found) {
			return nil, errMalformed
		}
		out.Write(parts[numberOf(found)].place(numberOf(found)))
		text = text[end:]
	}
	out.Write(text)
	if bytes.Count(out.Bytes(), []byte(placeKeyText)) != len(parts) {
		return nil, fmt.Errorf("a value with binary parts has the key `%s`, or the same part twice", placeKey)
	}
	return out.Bytes(), nil
}

func (p part) place(number int) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "{%s%d", placeKeyText, number)
	if p.dtype != "" {
		shape, _ := json.Marshal(append([]int{}, p.shape...))
		fmt.Fprintf(&out, `,"dtype":"%s","shape":%s`, p.dtype, shape)
	} else if p.typ != "" {
		typ, _ := json.Marshal(p.typ)
		fmt.Fprintf(&out, `,"type":%s`, typ)
	}
	out.WriteByte('}')
	return out.Bytes()
}

// mayHaveParts says whether a value of this type can hold something that is sent as a part.
func mayHaveParts(typ reflect.Type, levels int) bool {
	if typ == arrayType || typ == binaryType || typ == bytesType {
		return true
	}
	switch typ.Kind() {
	case reflect.Interface:
		return true
	case reflect.Map, reflect.Slice, reflect.Array, reflect.Pointer:
		return levels > 9 || mayHaveParts(typ.Elem(), levels+1)
	case reflect.Struct:
		for at := 0; at < typ.NumField(); at++ {
			if levels > 9 || mayHaveParts(typ.Field(at).Type, levels+1) {
				return true
			}
		}
	}
	return false
}
