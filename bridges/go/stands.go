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
func (s stand) finite(value reflect.Value) reflect.Value {
	return copied(value, 0, func(one reflect.Value) (reflect.Value, bool) {
		if one.Kind() == reflect.Float32 || one.Kind() == reflect.Float64 {
			if number := one.Float(); math.IsNaN(number) || math.IsInf(number, 0) {
				return reflect.ValueOf(s.number).Convert(one.Type()), true
			}
		}
		return one, false
	})
}
