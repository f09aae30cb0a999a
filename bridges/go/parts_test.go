package snakepit

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

type picture struct {
	Image  Array          `json:"image"`
	File   []byte         `json:"file"`
	Typed  *Binary        `json:"typed"`
	More   map[string]any `json:"more"`
	Counts []int          `json:"counts"`
}

// around is what a handler gets of what another has answered.
func around(t *testing.T, value, into any) {
	t.Helper()
	inner, parts := withTokens(value)
	text, err := json.Marshal(inner)
	if err == nil {
		text, err = withPlaces(text, parts)
	}
	if err != nil {
		t.Fatal(err)
	}
	args, found, err := tokens(pack(text, parts))
	if err != nil {
		t.Fatal(err)
	}
	all := argumentsOf("test", reflect.TypeOf(into).Elem())
	if err := all.read(args, into, found); err != nil {
		t.Fatal(err)
	}
}

func TestArraysAndBytesAreWhatTheyWere(t *testing.T) {
	image, err := ArrayOf([]float64{1, 2, 3, 4, 5, 6}, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	sent := picture{image, []byte{0, 255}, &Binary{"image/png", []byte("png")}, map[string]any{
		"a": []any{image, []byte("x"), Binary{"a/b", nil}},
	}, []int{1, 2}}
	var found picture
	around(t, sent, &found)
	sent.More["a"].([]any)[2] = Binary{"a/b", []byte{}}
	if !reflect.DeepEqual(found, sent) {
		t.Fatalf("%+v", found)
	}
	values, err := Values[float64](found.Image)
	if err != nil || !reflect.DeepEqual(values, []float64{1, 2, 3, 4, 5, 6}) {
		t.Error(values, err)
	}
	if _, err := Values[int8](found.Image); err == nil {
		t.Error("an array of another type")
	}
	text, err := json.Marshal(map[string]any{"a": image, "b": Array{"float16", []int{1}, []byte{0, 0x3c}}, "c": sent.Typed})
	if err != nil || string(text) != `{"a":[[1,2,3],[4,5,6]],"b":[1],"c":"cG5n"}` {
		t.Error(string(text), err)
	}
}

func TestPartsThatDoNotFitAreRefused(t *testing.T) {
	one, two := []part{{data: make([]byte, 8)}}, []part{{data: nil}, {data: nil}}
	for text, words := range map[string]string{
		`{"x":{"$binary":1}}`:                                                 "names the part 1",
		`{"x":{"$binary":-1}}`:                                                "names the part -1",
		`{"x":{"$binary":0,"more":1}}`:                                        "`more`",
		`{"x":{"$binary":0,"type":1}}`:                                        "`type`",
		`{"x":{"$binary":0,"dtype":"int64","shape":[1.5]}}`:                   "`shape`",
		`{"x":{"$binary":0,"dtype":"int64"}}`:                                 "no shape",
		`{"x":{"$binary":0,"dtype":"int64","shape":[2]}}`:                     "has not 8 bytes",
		`{"x":{"$binary":0,"dtype":"int64","shape":[9999999999,9999999999]}}`: "is no shape",
		`{"x":{"$binary":0,"dtype":"int","shape":[1]}}`:                       "is no type",
		`{}`: "no place",
		`{`:  "not valid JSON",
	} {
		if _, _, err := tokens(pack([]byte(text), one)); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, _, err := tokens(pack([]byte(`[{"$binary":0},{"$binary":0}]`), two)); err == nil {
		t.Error("two places")
	}
	inner, taken := withTokens(map[string]any{"$binary": 1, "x": []byte("a")})
	text, _ := json.Marshal(inner)
	if _, err := withPlaces(text, taken); err == nil {
		t.Error("the key has a meaning")
	}
}

func TestAPartIsRefusedWhereNoneCanBe(t *testing.T) {
	type other struct {
		Text  string          `json:",omitempty"`
		Array Array           `json:",omitempty"`
		Raw   json.RawMessage `json:",omitempty"`
		Many  []int           `json:",omitempty"`
	}
	for _, name := range []string{"Text", "Array", "Raw", "Many"} {
		args, parts, err := tokens(pack([]byte(`{"`+name+`":{"$binary":0}}`), []part{{data: []byte("a")}}))
		if err != nil {
			t.Fatal(err)
		}
		var found other
		if err := argumentsOf("test", reflect.TypeOf(found)).read(args, &found, parts); err == nil {
			t.Error(name)
		}
	}
}

func TestAnyChangeOfAMessageIsAnErrorOrAnotherMessage(t *testing.T) {
	message := pack([]byte(`{"x":{"$binary":0,"dtype":"int8","shape":[3]}}`), []part{{data: []byte("abc")}})
	for at := range message {
		_, _, _ = tokens(message[:at])
		changed := append([]byte(nil), message...)
		changed[at] ^= 0x81
		_, _, _ = tokens(changed)
	}
}
