package snakepit

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
)

// Array is an array of numbers that travels as it is: its elements in C order, little-endian.
type Array struct {
	DType string // "float64", "uint8", …: docs/reference/binary-parts.md has them all
	Shape []int
	Data  []byte
}

// Binary is opaque bytes with a content type, such as "image/png". Bytes alone are a []byte.
type Binary struct {
	Type string
	Data []byte
}

// Number is what an element of an array can be in Go.
type Number interface {
	int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 | float32 | float64 | complex64 | complex128 | bool
}

// ArrayOf is an array with these elements; of one dimension when no shape is given. Fails when the shape does not fit.
func ArrayOf[T Number](values []T, shape ...int) (Array, error) {
	if shape == nil {
		shape = []int{len(values)}
	}
	var data bytes.Buffer
	err := binary.Write(&data, binary.LittleEndian, values)
	made := Array{reflect.TypeOf(values).Elem().Kind().String(), shape, data.Bytes()}
	if err == nil {
		err = made.check()
	}
	return made, err
}

// Values copies the elements of an array. Fails when it is of another type.
func Values[T Number](a Array) ([]T, error) {
	var one T
	if kind := reflect.TypeOf(one).Kind().String(); kind != a.DType {
		return nil, fmt.Errorf("the array is of %s, not of %s", a.DType, kind)
	}
	if err := a.check(); err != nil {
		return nil, err
	}
	values := make([]T, len(a.Data)/dtypes[a.DType])
	return values, binary.Read(bytes.NewReader(a.Data), binary.LittleEndian, values)
}

// dtypes are the bytes of an element by the name of its type.
var dtypes = map[string]int{
	"bool": 1, "int8": 1, "int16": 2, "int32": 4, "int64": 8, "uint8": 1, "uint16": 2, "uint32": 4, "uint64": 8,
	"float16": 2, "float32": 4, "float64": 8, "complex64": 8, "complex128": 16,
}

const mostDimensions = 32

// check says what of an array does not fit.
func (a Array) check() error {
	size, known := dtypes[a.DType]
	if !known {
		return fmt.Errorf("%.40s is no type of an array", a.DType)
	}
	if len(a.Shape) > mostDimensions {
		return fmt.Errorf("an array has at most %d dimensions", mostDimensions)
	}
	for _, count := range a.Shape {
		if count < 0 || count > 0 && size > math.MaxInt64/count {
			return fmt.Errorf("%s %.100v is no shape", a.DType, a.Shape)
		}
		size *= count
	}
	if size != len(a.Data) {
		return fmt.Errorf("%s %.100v has not %d bytes", a.DType, a.Shape, len(a.Data))
	}
	return nil
}

// MarshalJSON makes lists in lists, for callers that do not take arrays.
func (a Array) MarshalJSON() ([]byte, error) {
	if isToken(a.Data) {
		return json.Marshal(a.Data)
	}
	if err := a.check(); err != nil {
		return nil, err
	}
	if a.DType[0] == 'c' {
		return nil, errors.New("complex numbers have no JSON form")
	}
	var out bytes.Buffer
	rest := a.Data
	err := a.nested(&out, a.Shape, &rest)
	return out.Bytes(), err
}

func (a Array) nested(out *bytes.Buffer, shape []int, rest *[]byte) error {
	if len(shape) == 0 {
		size := dtypes[a.DType]
		text, err := json.Marshal(a.element((*rest)[:size]))
		out.Write(text)
		*rest = (*rest)[size:]
		return err
	}
	out.WriteByte('[')
	for at := 0; at < shape[0]; at++ {
		if at > 0 {
			out.WriteByte(',')
		}
		if err := a.nested(out, shape[1:], rest); err != nil {
			return err
		}
	}
	out.WriteByte(']')
	return nil
}

func (a Array) element(data []byte) any {
	var wide [8]byte
	copy(wide[:], data)
	bits := binary.LittleEndian.Uint64(wide[:])
	switch a.DType {
	case "bool":
		return bits != 0
	case "int8":
		return int8(bits)
	case "int16":
		return int16(bits)
	case "int32":
		return int32(bits)
	case "int64":
		return int64(bits)
	case "float16":
		return half(uint16(bits))
	case "float32":
		return math.Float32frombits(uint32(bits))
	case "float64":
		return math.Float64frombits(bits)
	}
	return bits
}

func half(bits uint16) float64 {
	exponent, fraction := int(bits>>10&31), float64(bits&1023)/1024
	value := math.Ldexp(1+fraction, exponent-15)
	switch {
	case exponent == 0:
		value = math.Ldexp(fraction, -14)
	case exponent == 31 && fraction == 0:
		value = math.Inf(1)
	case exponent == 31:
		value = math.NaN()
	}
	if bits&0x8000 != 0 {
		return -value
	}
	return value
}

// UnmarshalJSON takes only what has come as an array.
func (a *Array) UnmarshalJSON(text []byte) error {
	var found []byte
	if json.Unmarshal(text, &found) != nil || !isToken(found) {
		return errors.New("an array was expected")
	}
	a.Data = found
	return nil
}

// MarshalJSON makes base64, for callers that do not take bytes.
func (b Binary) MarshalJSON() ([]byte, error) { return json.Marshal(b.Data) }

// UnmarshalJSON takes bytes, or base64.
func (b *Binary) UnmarshalJSON(text []byte) error {
	var found string
	err := json.Unmarshal(text, &found)
	if err == nil {
		b.Data, err = base64.StdEncoding.DecodeString(found)
	}
	return err
}
