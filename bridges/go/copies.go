package snakepit

import "reflect"

// copied is a copy in which values are what change makes of them; it says whether what it gives is not looked into.
// What cannot be changed is left as it is.
func copied(value reflect.Value, levels int, change func(reflect.Value) (reflect.Value, bool)) reflect.Value {
	if !value.IsValid() || levels > deepest {
		return value
	}
	if made, isDone := change(value); isDone {
		return made
	}
	switch value.Kind() {
	case reflect.Interface, reflect.Pointer:
		if !value.IsNil() {
			inner := copied(value.Elem(), levels+1, change)
			if value.Kind() == reflect.Interface {
				return inner
			}
			made := reflect.New(value.Type().Elem())
			made.Elem().Set(inner)
			return made.Convert(value.Type())
		}
	case reflect.Slice, reflect.Array, reflect.Map, reflect.Struct:
		return copiedInside(value, func(one reflect.Value) reflect.Value { return copied(one, levels+2, change) })
	}
	return value
}

func copiedInside(value reflect.Value, inner func(reflect.Value) reflect.Value) reflect.Value {
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
			set(made.Index(at), inner(value.Index(at)))
		}
	case reflect.Map:
		if !value.IsNil() {
			made.Set(reflect.MakeMapWithSize(value.Type(), value.Len()))
			for _, key := range value.MapKeys() {
				one := reflect.New(value.Type().Elem()).Elem()
				set(one, inner(value.MapIndex(key)))
				made.SetMapIndex(key, one)
			}
		}
	case reflect.Struct:
		for at := 0; at < value.NumField(); at++ {
			if made.Field(at).CanSet() {
				set(made.Field(at), inner(value.Field(at)))
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
