package snakepit

import (
	"encoding/json"
	"math"
	"math/rand"
	"reflect"
)

// stand is a number that nothing else is: it stands for NaN until the JSON is there.
type stand struct {
	number float64
	texts  [2]string // as encoding/json writes it, as a float64 and as a float32
}

func newStand() stand {
	number := float64(float32(1+rand.Float64()) * 0x1p-99)
	small, _ := json.Marshal(float32(number))
	wide, _ := json.Marshal(number)
	return stand{number, [2]string{string(wide), string(small)}}
}

// finite is a copy in which the stand is in the place of every NaN and infinity. What cannot be changed is left as it is.
func (s stand) finite(value reflect.Value, levels int) reflect.Value {
	if !value.IsValid() || levels > deepest {
		return value
	}
	switch value.Kind() {
	case reflect.Float32, reflect.Float64:
		if number := value.Float(); math.IsNaN(number) || math.IsInf(number, 0) {
			return reflect.ValueOf(s.number).Convert(value.Type())
		}
	case reflect.Interface, reflect.Pointer:
		if !value.IsNil() {
			inner := s.finite(value.Elem(), levels+1)
			if value.Kind() == reflect.Interface {
				return inner
			}
			made := reflect.New(value.Type().Elem())
			made.Elem().Set(inner)
			return made.Convert(value.Type())
		}
	case reflect.Slice, reflect.Array, reflect.Map, reflect.Struct:
		return s.finiteInside(value, levels+1)
	}
	return value
}

func (s stand) finiteInside(value reflect.Value, levels int) reflect.Value {
	made := reflect.New(value.Type()).Elem()
	made.Set(value)
	switch value.Kind() {
	case reflect.Slice:
		if !value.IsNil() {
			made.Set(reflect.MakeSlice(value.Type(), value.Len(), value.Len()))
		}
		fallthrough
	case reflect.Array:
		for at := 0; at < value.Len(); at++ {
			set(made.Index(at), s.finite(value.Index(at), levels))
		}
	case reflect.Map:
		if !value.IsNil() {
			made.Set(reflect.MakeMapWithSize(value.Type(), value.Len()))
			for _, key := range value.MapKeys() {
				one := reflect.New(value.Type().Elem()).Elem()
				set(one, s.finite(value.MapIndex(key), levels))
				made.SetMapIndex(key, one)
			}
		}
	case reflect.Struct:
		for at := 0; at < value.NumField(); at++ {
			if made.Field(at).CanSet() {
				set(made.Field(at), s.finite(value.Field(at), levels))
			}
		}
	}
	return made
}

// set leaves the zero value where there is none, as for a nil in an interface.
func set(place, value reflect.Value) {
	if value.IsValid() {
		place.Set(value)
	}
}
