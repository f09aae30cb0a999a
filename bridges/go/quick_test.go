package snakepit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"
)

type celsius float64

// twice is a struct of two fields with one name.
var twice = reflect.New(reflect.StructOf([]reflect.StructField{
	{Name: "A", Type: reflect.TypeOf(1), Tag: `json:"a"`}, {Name: "B", Type: reflect.TypeOf(1), Tag: `json:"a"`},
})).Elem().Interface()

type mixed struct {
	I     int      `json:"i"`
	I8    int8     `json:"i8"`
	U     uint     `json:"u"`
	U16   uint16   `json:"u16"`
	F     float64  `json:"f"`
	F32   float32  `json:"f32"`
	T     celsius  `json:"t"`
	S     string   `json:"s,omitempty"`
	B     bool     `json:"b"`
	List  []int    `json:"list,omitempty"`
	P     *int     `json:"p"`
	Inner benchSum `json:"inner"`
	Any   any      `json:"any,omitempty"`
	no    int
}

var hostile = []string{
	`1`, `0`, `-0`, `-1`, `00`, `01`, `-`, `1.5`, `1.`, `.5`, `1e3`, `1E-3`, `1e`, `127`, `128`, `-129`, `65536`, `1e400`, `0.1`, `16777217`,
	`9007199254740993`, `9223372036854775807`, `9223372036854775808`, `123456789012345678901234567890`, `18446744073709551615`, `4.9e-324`,
	`true`, `false`, `tru`, `null`, `nul`, `NaN`, `Infinity`, `""`, `"a b"`, `"\u00e9"`, `"é"`, `"\ud800"`, `"\n"`, "\"\n\"", "\"\xff\"", `"`, `"\"`,
	`"\\"`, `[]`, `[1,2]`, `{}`, `{"sum":1}`, `{"sum":1`, `"𝄞"`, "\" \"", `"<&>"`, ` 7 `, `1 2`, `1,`, ``, "\t1\r",
}

var hostileNames = []string{
	`"i"`, `"i8"`, `"u"`, `"u16"`, `"f"`, `"f32"`, `"t"`, `"s"`, `"b"`, `"list"`, `"p"`, `"inner"`, `"any"`, `"I"`, `"\u0069"`, `"x"`, `""`, `i`, `"i" `,
	"\t\"f\"", `"no"`, `'i'`,
}

// any object, mostly a valid one.
func made(random *rand.Rand) []byte {
	var text strings.Builder
	usually := func(usual string, others ...string) {
		if random.Intn(12) > 0 {
			others = []string{usual}
		}
		text.WriteString(pick(random, others...))
	}
	usually("{", " { ", "", "[", "{,")
	for count := random.Intn(4); count >= 0; count-- {
		usually(pick(random, hostileNames[:9]...), hostileNames...)
		usually(":", " : ", "", "::")
		usually(pick(random, append(hostile, "1", "1", "20", "20")...), "1 1", `1"`)
		if count > 0 {
			usually(",", " , ", "", ",,")
		}
	}
	usually("}", "} ", "", "]", "}}", "} x")
	return []byte(text.String())
}

func pick(random *rand.Rand, from ...string) string { return from[random.Intn(len(from))] }

func TestWhatIsReadQuicklyIsWhatEncodingJSONReads(t *testing.T) {
	args := argumentsOf("f", reflect.TypeOf(mixed{}))
	in := readerOf(reflect.TypeOf(mixed{}), args)
	in.required = 0
	random := rand.New(rand.NewSource(1))
	read := 0
	for round := 0; round < 200_000; round++ {
		line := made(random)
		var ours, theirs mixed
		there, isRead := in.read(line, unsafe.Pointer(&ours), 0)
		if !isRead {
			continue
		}
		read++
		if err := json.Unmarshal(line, &theirs); err != nil || !reflect.DeepEqual(ours, theirs) {
			t.Fatalf("%s: %+v, not %+v %v", line, ours, theirs, err)
		}
		if math.Signbit(ours.F) != math.Signbit(theirs.F) {
			t.Fatalf("%s: the sign of a zero", line)
		}
		var all map[string]json.RawMessage
		_ = json.Unmarshal(line, &all)
		for at, one := range args.parameters {
			if _, isThere := all[one.name]; isThere != (there&(1<<at) != 0) {
				t.Fatalf("%s: %s", line, one.name)
			}
		}
	}
	if read < 5_000 {
		t.Fatalf("only %d were read", read)
	}
}

func TestUsualArgumentsAreReadQuickly(t *testing.T) {
	in := readerOf(reflect.TypeOf(mixed{}), argumentsOf("f", reflect.TypeOf(mixed{})))
	text := ` { "i" : -12, "i8":127,"u":0,"u16":65535,"f":-1.5e-3,"f32":0.1,"t":20,"s":"é <&>","b":true } `
	var found mixed
	if _, isRead := in.read([]byte(text), unsafe.Pointer(&found), 0); !isRead || found.S != "é <&>" || found.F != -1.5e-3 || !found.B {
		t.Fatalf("%+v", found)
	}
	for _, typ := range []any{map[string]any{}, 1, struct {
		A int `json:"a,string"`
	}{}, struct{ time.Time }{}, struct {
		A []int `json:"a" default:"[1]"`
	}{}, twice} {
		if readerOf(reflect.TypeOf(typ), argumentsOf("f", reflect.TypeOf(typ))) != nil {
			t.Errorf("%T has a reader", typ)
		}
	}
}

// anything is a random value of the usual types, and of some unusual ones.
func anything(random *rand.Rand, levels int) any {
	floats := []float64{0, math.Copysign(0, -1), 1e-7, 1e-6, 9.9e20, 1e21, -1e-9, 1e100, 0.1, math.Pi, math.MaxFloat64, 5e-324, math.NaN(), math.Inf(1)}
	texts := []string{"", "a", "\"\\", "é", "<&>", "\u2028", "\x00", "\n\t\r", "\b\f", "\xff", "a\xffb", "𝄞", "\x7f", "/", strings.Repeat("x", 99)}
	switch kind := random.Intn(18); {
	case kind == 0:
		return nil
	case kind == 1:
		return random.Intn(2) == 0
	case kind == 2:
		return random.Int() >> random.Intn(63)
	case kind == 3:
		return -random.Int63()
	case kind == 4:
		return floats[random.Intn(len(floats)-random.Intn(3))]
	case kind == 5:
		return math.Float64frombits(random.Uint64())
	case kind == 6:
		return pick(random, texts...)
	case kind == 7:
		return map[string]int{"b": 1, "a": random.Intn(9)}
	case kind == 8:
		return map[string]float64{pick(random, texts...): floats[random.Intn(len(floats))]}
	case kind == 9:
		return map[string]string(nil)
	case kind == 10:
		return []any(nil)
	case kind == 11:
		return []byte("bytes")
	case kind == 12:
		return json.Number("1.50")
	case kind == 13:
		return time.Second
	case levels == 0:
		return "deep"
	case kind < 16:
		all := make([]any, random.Intn(4))
		for at := range all {
			all[at] = anything(random, levels-1)
		}
		return all
	}
	all := map[string]any{}
	for count := random.Intn(24); count > 0; count-- {
		all[pick(random, texts...)+fmt.Sprint(count%7)] = anything(random, levels-1)
	}
	return all
}

func anyMixed(random *rand.Rand) mixed {
	found := mixed{
		I: random.Int() >> random.Intn(64), I8: int8(random.Int()), U: uint(random.Uint64()), U16: uint16(random.Int()),
		F32: math.Float32frombits(random.Uint32()), B: random.Intn(2) == 0, Inner: benchSum{random.Int63()}, Any: anything(random, 2),
	}
	if number, isFloat := anything(random, 0).(float64); isFloat {
		found.F, found.T, found.F32 = number, celsius(number), float32(number)
	}
	if text, isText := anything(random, 0).(string); isText {
		found.S = text
	}
	if random.Intn(2) == 0 {
		found.List, found.P = make([]int, random.Intn(3)), &found.I
	}
	return found
}

func TestWhatIsWrittenQuicklyIsWhatEncodingJSONWrites(t *testing.T) {
	out := shapeOf(reflect.TypeOf(mixed{}))
	random := rand.New(rand.NewSource(1))
	written := 0
	check := func(text []byte, isWritten bool, value any) {
		if !isWritten {
			return
		}
		written++
		var theirs bytes.Buffer
		if err := write(&theirs, value); err != nil || string(text)+"\n" != theirs.String() {
			t.Fatalf("%s, not %s %v", text, theirs.String(), err)
		}
	}
	for round := 0; round < 50_000; round++ {
		one, value := anyMixed(random), anything(random, 3)
		text, isWritten := out.append(nil, unsafe.Pointer(&one))
		check(text, isWritten, one)
		text, isWritten = appendAny(nil, value, deepestAny)
		check(text, isWritten, value)
	}
	if written < 50_000 {
		t.Fatalf("only %d were written", written)
	}
}

type link struct{ Next *link }

func TestWhatEncodingJSONWritesInItsOwnWayHasNoShape(t *testing.T) {
	for _, value := range []any{
		time.Time{}, json.Number("1"), []byte{}, own{}, link{}, struct{ own }{}, map[string]int{}, [2]int{}, struct {
			A int `json:"a,string"`
		}{}, twice, struct {
			A int `json:"<"`
		}{}, struct {
			A int `json:"a,omitzero"`
		}{}, make(chan int),
	} {
		if shapeOf(reflect.TypeOf(value)) != nil {
			t.Errorf("%T has a shape", value)
		}
	}
	if _, isWritten := appendAny(nil, circle(), deepestAny); isWritten {
		t.Error("a ring has an end")
	}
}

func blockOf(t *testing.T, command string, args, lines string) (answers []string, failed []uint64) {
	t.Helper()
	w := madeWorker()
	r := newRun(w, callSpec{id: 1, command: command, args: []byte(args), credit: 1 << 40, block: &block{lines: []byte(lines)}})
	if _, err := r.answer(); err != nil {
		t.Fatal(err)
	}
	for _, one := range w.box.chunks {
		for _, at := range one.failed {
			failed = append(failed, uint64(len(answers))+at)
		}
		answers = append(answers, strings.Split(strings.TrimSuffix(string(one.lines), "\n"), "\n")...)
	}
	return answers, failed
}

func TestEachItemOfABlockIsAnsweredInItsOwnWay(t *testing.T) {
	began := 0
	Command("mixed", func(_ *Context, in struct {
		A int    `json:"a"`
		B int    `json:"b" default:"2"`
		S string `json:"s,omitempty"`
	}) (any, error) {
		began++
		switch in.A {
		case 13:
			return nil, errors.New("unlucky")
		case 14:
			panic("thrown")
		case 15:
			return math.NaN(), nil
		case 16:
			return map[string]any{"deep": []byte("x"), "s": "\x01"}, nil
		case 17:
			return strings.Repeat("x", 1<<20), nil
		}
		return map[string]any{"sum": in.A + in.B, "s": in.S}, nil
	})
	for _, one := range []struct{ line, answer string }{
		{`{"a":1}`, `{"s":"","sum":3}`},
		{`{"a":1,"b":5}`, `{"s":"","sum":6}`},
		{`nope`, "the line is not valid JSON"},
		{`{"a":1,`, "unexpected end of JSON input"},
		{`{"a":13}`, `"message":"unlucky"`},
		{`{"a":14}`, `"message":"thrown"`},
		{`{"a":15}`, "$ is NaN, which JSON cannot hold"},
		{`{"a":16}`, `{"deep":"eA==","s":"\u0001"}`},
		{`{"a":17}`, "`mixed` returned 1048579 bytes; at most 1048512 fit into a message"},
		{`{"a":2,"s":"\u00e9\n"}`, `{"s":"é\n","sum":4}`},
		{`{"A":2,"b":null}`, `{"s":"","sum":4}`},
		{`{"a":1,"a":3}`, `{"s":"","sum":5}`},
		{`{}`, "`mixed`: missing argument `a`"},
		{`{"a":1,"z":1}`, "`mixed`: unknown argument `z`; it takes `a`, `b`, `s`"},
		{`{"a":"1"}`, "cannot unmarshal string into"},
		{`{"a":9223372036854775808}`, "cannot unmarshal number 9223372036854775808"},
		{`{"a":[1]}`, "cannot unmarshal array"},
		{"{\"a\":1,\"s\":\"\xff\"}", "the line is not UTF-8"},
		{`5`, "unknown argument `item`"},
	} {
		before := began
		answers, failed := blockOf(t, "mixed", "{}", strings.Repeat(`{"a":0}`+"\n", 3)+one.line+"\n"+`{"a":40}`+"\n")
		if len(answers) != 5 || answers[2] != `{"s":"","sum":2}` || answers[4] != `{"s":"","sum":42}` || !strings.Contains(answers[3], one.answer) {
			t.Errorf("%s: %s", one.line, answers)
		}
		isFailure := !strings.HasPrefix(one.answer, "{")
		if isFailure != reflect.DeepEqual(failed, []uint64{3}) || !isFailure && failed != nil {
			t.Errorf("%s: %v", one.line, failed)
		}
		if began-before > 5 {
			t.Errorf("%s: an item was begun twice", one.line)
		}
	}
}

func TestFixedArgumentsAreUnderThoseOfAnItem(t *testing.T) {
	Command("fixed", func(_ *Context, in benchNumbers) (benchSum, error) { return benchSum{in.A - in.B}, nil })
	for fixed, want := range map[string]string{
		`{"b":10}`: `{"sum":-9} {"sum":-3}`, `{"B":10}`: `{"sum":-9} {"sum":-3}`, ` { "a" : 1 , "b" : 1 } `: `{"sum":0} {"sum":-3}`,
	} {
		answers, _ := blockOf(t, "fixed", fixed, `{"a":1}`+"\n"+`{"b":5,"a":2}`+"\n")
		if strings.Join(answers, " ") != want {
			t.Errorf("%s: %s", fixed, answers)
		}
	}
}

func TestALineThatIsReadQuicklyNeedsNoEncodingJSON(t *testing.T) {
	Command("quick", func(_ *Context, in benchNumbers) (benchSum, error) { return benchSum{in.A + in.B}, nil })
	text, got := handlers["quick"].quick([]byte(`{"b":1}`))(nil, []byte(`{"a":2}`), nil)
	if got.state != answered || string(text) != "{\"sum\":3}\n" {
		t.Fatal(string(text), got)
	}
	if handlers["quick"].quick([]byte(`{"b":1.5}`)) != nil {
		t.Fatal("fixed arguments that do not fit are for encoding/json")
	}
	if _, got = handlers["quick"].quick([]byte(`{}`))(nil, []byte(`{"a":2}`), nil); got.state != untouched {
		t.Fatal(got)
	}
}

func TestACancelIsSeenBetweenTwoItems(t *testing.T) {
	var r *run
	began := 0
	Command("cancel", func(_ *Context, in benchNumbers) (benchSum, error) {
		if began++; began == 7 {
			r.cancel()
		}
		return benchSum{}, nil
	})
	lines := []byte(strings.Repeat(`{"a":1,"b":1}`+"\n", 100))
	r = newRun(madeWorker(), callSpec{id: 1, command: "cancel", credit: 1 << 40, block: &block{lines: lines}})
	if _, err := r.answer(); err == nil || began != 7 {
		t.Fatal(began, err)
	}
}

func TestTheStrideFollowsThePaceOfTheItems(t *testing.T) {
	b := bulk{items: &block{}, stride: 1, looked: time.Now().Add(time.Hour)}
	for count := 0; count < 9; count++ {
		b.look(b.stride)
		b.looked = time.Now().Add(time.Hour)
	}
	if b.stride != mostTogether {
		t.Fatal(b.stride)
	}
	b.looked = time.Now().Add(-time.Hour)
	if b.look(b.stride); b.stride != 1 {
		t.Fatal(b.stride)
	}
}
