package snakepit

import (
	"bytes"
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
	if err := args.read([]byte(`{"a":0,"Self":""}`), &found); err != nil || found.B != 1.5 {
		t.Fatalf("%+v %v", found, err)
	}
	for text, words := range map[string]string{
		`{"a":1}`: "missing argument `Self`", `{"Self":"x"}`: "missing argument `a`", `{"a":1,"Self":"x","z":1}`: "unknown argument `z`",
		`{"a":"x","Self":""}`: "cannot unmarshal string", `{`: "unexpected end", `{"a":1,"Self":""} 2`: "after top-level value",
	} {
		if err := args.read([]byte(text), &sample{}); err == nil || !strings.Contains(err.Error(), words) {
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
	if err := argumentsOf("f", reflect.TypeOf(any)).read([]byte(`{"A":1,"self":"x"}`), &any); err != nil || any.A != 1 {
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
	if encode(&out, make(chan int), "f", 1000) == nil || encode(&out, strings.Repeat("x", 100), "f", 120) == nil || out.Len() != 0 {
		t.Fatal(out.String())
	}
	if err := encode(&out, "<&>", "f", 100); err != nil || out.String() != "\"<&>\"\n" {
		t.Fatal(out.String(), err)
	}
}
