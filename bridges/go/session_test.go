package snakepit

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"
)

func madeWorker() *worker {
	w := &worker{running: map[uint64]*run{}, asked: map[uint64]*inbox{}, tools: map[toolKey]*offered{}, largest: 1 << 20}
	w.more = sync.NewCond(&w.lock)
	return w
}

func (w *worker) call(session string) *run {
	return newRun(w, callSpec{id: 7, session: session, metadata: []byte(`{"who":"me"}`)})
}

// said waits until something of a kind is there to say, and takes it.
func said[T any](w *worker, from func(*outbox) *[]T) []T {
	w.lock.Lock()
	defer w.lock.Unlock()
	for len(*from(&w.box)) == 0 {
		w.more.Wait()
	}
	found := *from(&w.box)
	*from(&w.box) = nil
	return found
}

func (w *worker) asks() request {
	return said(w, func(b *outbox) *[]request { return &b.requests })[0]
}

func (w *worker) withdraws() []uint64 {
	return said(w, func(b *outbox) *[]uint64 { return &b.withdrawals })
}

func (w *worker) reply(id uint64, value string) {
	w.take(toWorker{replies: []result{{id: id, value: []byte(value)}}})
}

func (w *worker) refuses(id uint64, kind string) {
	w.take(toWorker{replies: []result{{id: id, failure: &failure{name: kind, message: "no"}}}})
}

// later runs what a handler does, which waits.
func later(work func() error) chan error {
	done := make(chan error, 1)
	go func() { done <- work() }()
	return done
}

func TestARequestIsAnsweredOnceByItsID(t *testing.T) {
	w := madeWorker()
	var number float64
	done := later(func() error { return w.call("s").ctx.Session().Get("a", &number) })
	asked := w.asks()
	if asked.id != 1 || asked.parent != 7 || string(asked.query) != `{"name":"a","op":"var_get"}` {
		t.Fatalf("%+v %s", asked, asked.query)
	}
	w.reply(2, "null")
	w.reply(1, `{"type":"float","value":"NaN"}`)
	if err := <-done; err != nil || !math.IsNaN(number) {
		t.Fatal(number, err)
	}
	w.reply(1, "null")
	if !w.box.empty() || len(w.asked) != 0 {
		t.Fatal("something is left")
	}
}

func TestErrorsHaveAKind(t *testing.T) {
	w := madeWorker()
	done := later(func() error { return w.call("s").ctx.Session().Delete("a") })
	w.asks()
	w.refuses(1, "in_use")
	if err := <-done; KindOf(err) != "in_use" || err.Error() != "in_use: no" {
		t.Fatal(err)
	}
	if KindOf(errors.New("x")) != "" {
		t.Fatal("a kind of another error")
	}
}

func TestACancelGivesUpWhatIsWaitedFor(t *testing.T) {
	for _, wait := range []func(*Session) error{
		func(s *Session) error { _, err := s.Set("a", 1); return err },
		func(s *Session) error { return s.Watch("*", func(Change) error { return nil }) },
	} {
		w := madeWorker()
		one := w.call("s")
		done := later(func() error { return wait(one.ctx.Session()) })
		w.asks()
		one.cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if ids := w.withdraws(); !reflect.DeepEqual(ids, []uint64{1}) {
			t.Fatal(ids)
		}
		if err := wait(one.ctx.Session()); !errors.Is(err, context.Canceled) || !w.box.empty() {
			t.Fatal("it asks for more", err)
		}
	}
}

func TestAllThatWaitsFailsWithTheStream(t *testing.T) {
	w := madeWorker()
	one := w.call("s")
	first := later(func() error { return one.ctx.Session().Delete("a") })
	w.asks()
	second := later(func() error {
		return one.ctx.Session().StreamTool("t", nil, func(json.RawMessage) error { return nil })
	})
	w.asks()
	w.running[7] = one
	w.lost(0, "")
	for _, done := range []chan error{first, second} {
		if err := <-done; KindOf(err) != "server_restarted" {
			t.Fatal(err)
		}
	}
	if err := one.ctx.Session().Delete("a"); KindOf(err) != "server_restarted" || !w.box.empty() {
		t.Fatal("it asks for more", err)
	}
}

func TestChunksAreReadInOrderAndRoomIsGranted(t *testing.T) {
	w := madeWorker()
	long := `"` + strings.Repeat("x", roomForChunks/4-3) + `"`
	var found []int
	done := later(func() error {
		return w.call("s").ctx.Session().StreamTool("t", counted{3}, func(one json.RawMessage) error {
			found = append(found, len(one))
			return nil
		})
	})
	if asked := w.asks(); !asked.stream || !asked.tool || asked.credit != roomForChunks || string(asked.args) != `{"n":3}` {
		t.Fatalf("%+v", asked)
	}
	w.take(toWorker{replyChunks: []chunks{{id: 1, lines: []byte("1\n" + long + "\n")}, {id: 1, lines: []byte(long + "\n")}}})
	granted := said(w, func(b *outbox) *[]credit { return &b.credits })
	w.reply(1, "null")
	if err := <-done; err != nil || !reflect.DeepEqual(found, []int{1, len(long), len(long)}) {
		t.Fatal(found, err)
	}
	if !reflect.DeepEqual(granted, []credit{{1, roomForChunks/2 + 2}}) {
		t.Fatal(granted)
	}
}

type counted struct {
	N int `json:"n"`
}

func TestStopGivesTheStreamUp(t *testing.T) {
	w := madeWorker()
	var names []string
	done := later(func() error {
		return w.call("s").ctx.Session().Watch("*", func(one Change) error {
			names = append(names, one.Name)
			return Stop
		}, After(3))
	})
	if asked := w.asks(); !strings.Contains(string(asked.query), `"after":3`) {
		t.Fatalf("%s", asked.query)
	}
	w.take(toWorker{replyChunks: []chunks{{id: 1, lines: []byte("{\"name\":\"a\"}\n{\"name\":\"b\"}\n")}}})
	if err := <-done; err != nil || !reflect.DeepEqual(names, []string{"a"}) {
		t.Fatal(names, err)
	}
	if ids := w.withdraws(); !reflect.DeepEqual(ids, []uint64{1}) {
		t.Fatal(ids)
	}
}

func TestWithoutASessionOnlyGlobalProgramsCanBeUsed(t *testing.T) {
	w := madeWorker()
	session := w.call("").ctx.Session()
	if err := session.Delete("a"); KindOf(err) != "session_not_found" {
		t.Fatal(err)
	}
	if err := session.CallTool("t", nil, nil); KindOf(err) != "session_not_found" || !w.box.empty() {
		t.Fatal(err)
	}
	var number int
	done := later(func() error { return session.GetProgram("p", &number, Everywhere()) })
	w.asks()
	w.reply(1, `{"data":5}`)
	if err := <-done; err != nil || number != 5 {
		t.Fatal(number, err)
	}
}

func TestASessionIsItsIDWhereverTextIsWanted(t *testing.T) {
	ctx := madeWorker().call("s").ctx
	text, err := json.Marshal(map[string]any{"session": ctx.Session()})
	if err != nil || string(text) != `{"session":"s"}` || ctx.Session().String() != "s" || ctx.Metadata()["who"] != "me" {
		t.Fatal(string(text), err, ctx.Metadata())
	}
}

func TestWhatJSONCannotHoldIsRefusedBeforeItIsSent(t *testing.T) {
	w := madeWorker()
	_, err := w.call("s").ctx.Session().Set("a", map[string]any{"deep": []float64{math.NaN()}})
	if KindOf(err) != "invalid_value" || !strings.Contains(err.Error(), "$.value.deep[0] is NaN") || !w.box.empty() {
		t.Fatal(err)
	}
	for number, name := range map[float64]any{math.Inf(1): "Infinity", math.Inf(-1): "-Infinity", 1.5: 1.5} {
		if found := carried(number); found != name {
			t.Fatal(found, name)
		}
	}
}

func TestToolsAreKnownToTheNextServerWhenThisOneHasTakenThem(t *testing.T) {
	w := madeWorker()
	session := w.call("s").ctx.Session()
	add := Tool("add", func(_ *Context, in sample) (int64, error) { return in.A, nil }, "Adds.")
	done := later(func() error { return session.RegisterTool(add, Metadata(map[string]any{"k": 1})) })
	var query struct{ Tools []ToolInfo }
	if err := json.Unmarshal(w.asks().query, &query); err != nil {
		t.Fatal(err)
	}
	one := query.Tools[0]
	if one.Name != "add" || one.Description != "Adds." || len(one.Parameters) != 4 || one.Parameters[1].Default != 1.5 || one.Metadata["k"] != 1.0 {
		t.Fatalf("%+v", one)
	}
	if _, known := w.tool("s", "add"); !known || len(w.taken()) != 0 {
		t.Fatal("too early, or too late")
	}
	w.reply(1, "{}")
	if err := <-done; err != nil || len(w.hello().tools) != 1 {
		t.Fatal(err)
	}
	for at, name := range []string{"add", "sub"} {
		other := Tool(name, func(_ *Context, in sample) (int64, error) { return 0, nil })
		done = later(func() error { return session.RegisterTool(other) })
		w.asks()
		w.refuses(uint64(at+2), "already_exists")
		if err := <-done; KindOf(err) != "already_exists" {
			t.Fatal(err)
		}
	}
	if kept, _ := w.tool("s", "add"); kept.spec.summary != "Adds." || len(w.taken()) != 1 || len(w.tools) != 1 {
		t.Fatalf("%+v", w.tools)
	}
	w.take(toWorker{endedSessions: []string{"s"}})
	if len(w.tools) != 0 {
		t.Fatal("the session has ended")
	}
}
