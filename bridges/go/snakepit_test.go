package snakepit

import (
	"bytes"
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestMessagesAreRead(t *testing.T) {
	call := encoder{}
	call.number(1, 1<<60+1)
	call.text(2, "add")
	call.double(5, 2.5)
	call.message(9, encoder{0x0a, 2, '1', '\n', 0x28, 1})
	data := encoder{0x42, 2, 5, 6, 0x40, 0x80, 1, 0xfa, 1, 1, 9} // recalls together and alone; an unknown field
	data.message(2, call)
	data.message(6, nil)
	found, err := decodeToWorker(data)
	if err != nil || !reflect.DeepEqual(found.recalls, []uint64{5, 6, 128}) || !found.drain || found.ping != nil {
		t.Fatalf("%+v %v", found, err)
	}
	one := found.calls[0]
	if one.id != 1<<60+1 || one.command != "add" || one.timeout != 2.5 || string(one.block.lines) != "1\n" || !one.block.careful {
		t.Fatalf("%+v", one)
	}
	for _, short := range [][]byte{{0x2a, 9, 8}, {0x2a, 0x80}, {0x09, 1}, {0x0d}, {0x13}} {
		if _, err := decodeToWorker(short); err == nil {
			t.Fatalf("%x was taken", short)
		}
	}
}

func TestMessagesOfAnySizeArePutTogether(t *testing.T) {
	data := []byte("\x00\x00\x00\x00\x03one\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05three")
	for size := 1; size <= len(data); size++ {
		var partial []byte
		var found []string
		for at := 0; at < len(data); at += size {
			end := at + size
			if end > len(data) {
				end = len(data)
			}
			partial = messages(partial, append([]byte(nil), data[at:end]...), func(message []byte) {
				found = append(found, string(message))
			})
		}
		if !reflect.DeepEqual(found, []string{"one", "", "three"}) {
			t.Fatalf("%d: %q", size, found)
		}
	}
}

func TestResultsWaitForTheirChunks(t *testing.T) {
	box := outbox{results: []result{{id: 1}}}
	for at := 0; at < 3; at++ {
		box.chunks = append(box.chunks, chunks{id: 1, lines: make([]byte, messageBytes)})
	}
	for at := 0; at < 4; at++ {
		if box.take(); len(box.results) == 0 != (at == 3) {
			t.Fatal(at)
		}
	}
	if !box.empty() {
		t.Fatal("something is left")
	}
}

type sample struct {
	A    int64   `json:"a"`
	B    float64 `json:"b" default:"1.5"`
	C    *string `json:"c"`
	Self string
	skip int
}

func TestArgumentsAreDescribedAndChecked(t *testing.T) {
	args := argumentsOf("f", reflect.TypeOf(sample{}))
	want := []parameter{{"a", "int64", true, ""}, {"b", "float64", false, "1.5"}, {"c", "*string", false, ""}, {"Self", "string", true, ""}}
	if !reflect.DeepEqual(args.parameters, want) || args.open {
		t.Fatalf("%+v", args.parameters)
	}
	var found sample
	if err := args.read([]byte(`{"a":0,"Self":""}`), &found, nil); err != nil || found.B != 1.5 {
		t.Fatalf("%+v %v", found, err)
	}
	for text, words := range map[string]string{
		`{"a":1}`: "missing argument `Self`", `{"Self":"x"}`: "missing argument `a`", `{"a":1,"Self":"x","z":1}`: "unknown argument `z`",
		`{"a":"x","Self":""}`: "cannot unmarshal string", `{`: "unexpected end", `{"a":1,"Self":""} 2`: "after top-level value",
	} {
		if err := args.read([]byte(text), &sample{}, nil); err == nil || !strings.Contains(err.Error(), words) {
			t.Fatalf("%s: %v", text, err)
		}
	}
	for _, text := range []string{"[]", "null", "1", "{} {}", "{"} {
		if object([]byte(text)) == nil {
			t.Fatal(text)
		}
	}
}

func TestNamesOfAnObjectAreFound(t *testing.T) {
	text := ` { "a" : {"b":[{"c":1},"d"]} ,"e\"f":"}","g" : [ 1 , "h" ] , "": null, "i":"j" } `
	var found []string
	for name, rest := nextName([]byte(text)); name != nil; name, rest = nextName(rest) {
		found = append(found, string(name))
	}
	if !reflect.DeepEqual(found, []string{"a", `e\"f`, "g", "", "i"}) {
		t.Fatalf("%q", found)
	}
	var any sample
	if err := argumentsOf("f", reflect.TypeOf(any)).read([]byte(`{"A":1,"self":"x"}`), &any, nil); err != nil || any.A != 1 {
		t.Fatal(err)
	}
}

func TestItemsAreMergedOverTheFixedArguments(t *testing.T) {
	for _, one := range [][3]string{
		{`{}`, `{"a":1}`, `{"a":1}`}, {`{"a":1,"b":2}`, `{"b":3}`, `{"a":1,"b":3}`}, {`{}`, `9007199254740993`, `{"x":9007199254740993}`},
		{`{"a":1}`, `"s"`, `{"a":1,"x":"s"}`},
	} {
		found, err := merged([]byte(one[0]), []byte(one[1]), &block{itemArgument: "x"})
		if err != nil || string(found) != one[2] {
			t.Fatalf("%s %s: %s %v", one[0], one[1], found, err)
		}
	}
	if _, err := merged([]byte("{}"), []byte("nope"), &block{}); err == nil {
		t.Fatal("taken")
	}
	found, err := merged([]byte("{}"), []byte("nope"), &block{text: true})
	if err != nil || string(found) != `{"item":"nope"}` {
		t.Fatalf("%s %v", found, err)
	}
}

func TestWhatHasNoJSONFormLeavesNothingBehind(t *testing.T) {
	var out bytes.Buffer
	if encode(&out, make(chan int), "f", 1000, false) == nil || encode(&out, strings.Repeat("x", 100), "f", 120, false) == nil || out.Len() != 0 {
		t.Fatal(out.String())
	}
	if err := encode(&out, "<&>", "f", 100, false); err != nil || out.String() != "\"<&>\"\n" {
		t.Fatal(out.String(), err)
	}
}

type point struct {
	X    float64  `json:"x"`
	Next *point   `json:"next,omitempty"`
	More any      `json:"more,omitempty"`
	Name string   `json:"-"`
	Any  []any    `json:"a b,omitempty"`
	F32  *float32 `json:"f32,omitempty"`
}

type own struct{}

func (own) MarshalJSON() ([]byte, error) { return []byte("nope"), nil }

func circle() any {
	inner := map[string]any{}
	value := map[string]any{"a": []any{1, inner}}
	inner["back"] = value
	return value
}

func deep() any {
	var value any = math.NaN()
	for level := 0; level < 1000; level++ {
		value = []any{value}
	}
	return value
}

func TestWhatHasNoJSONFormIsNamedWithItsPlace(t *testing.T) {
	ring := &point{}
	ring.Next = ring
	for _, one := range []struct {
		value any
		words string
	}{
		{map[string]any{"scores": []float64{1, math.NaN()}}, "$.scores[1] is NaN, which JSON cannot hold (`--nan null` makes it null)"},
		{point{Next: &point{X: math.Inf(-1)}}, "$.next.x is -Infinity, which"},
		{point{Any: []any{nil, math.Inf(1)}}, `$["a b"][1] is Infinity, which`},
		{point{More: make(chan int)}, "$.more is of type chan int, which has no JSON form"},
		{[]any{func() {}}, "$[0] is of type func(), which has no JSON form"},
		{map[float64]int{1: 1}, "$ has keys of type float64; the keys"},
		{[]any{own{}}, "$[0] is of type snakepit.own, whose own JSON cannot be used"},
		{circle(), "$.a[1].back is $ again: the value contains itself"},
		{[]any{ring}, "$[0].next is $[0] again: the value contains itself"},
		{deep(), "] is nested more than 900 levels deep"},
	} {
		var out bytes.Buffer
		err := encode(&out, one.value, "f", 1<<20, false)
		if err == nil || !strings.Contains(err.Error(), one.words) || len(err.Error()) > 400 {
			t.Errorf("%s: %v", one.words, err)
		}
	}
}

func TestNaNIsNullWhenThatIsWanted(t *testing.T) {
	small := float32(math.Inf(1))
	value := point{X: math.NaN(), Next: &point{X: 1.5, F32: &small}, More: map[string]any{"k": []float64{math.Inf(-1), 2}}, Any: []any{nil, "s"}}
	var out bytes.Buffer
	if err := encode(&out, value, "f", 1<<20, true); err != nil {
		t.Fatal(err)
	}
	wanted := `{"x":null,"next":{"x":1.5,"f32":null},"more":{"k":[null,2]},"a b":[null,"s"]}` + "\n"
	if out.String() != wanted || !math.IsNaN(value.X) || !math.IsInf(float64(*value.Next.F32), 1) {
		t.Fatalf("%s, not %s", out.String(), wanted)
	}
	if err := encode(&out, []any{math.NaN(), make(chan int)}, "f", 1<<20, true); err == nil || !strings.Contains(err.Error(), "$[1] is of type chan int") {
		t.Fatal(err)
	}
}
