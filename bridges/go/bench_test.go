package snakepit

import (
	"strings"
	"sync"
	"testing"
)

type benchNumbers struct {
	A int64 `json:"a"`
	B int64 `json:"b"`
}

type benchSum struct {
	Sum int64 `json:"sum"`
}

func BenchmarkBlock(b *testing.B) {
	Command("bench", func(_ *Context, in benchNumbers) (map[string]int64, error) {
		return map[string]int64{"sum": in.A + in.B}, nil
	})
	benchmark(b)
}

func BenchmarkBlockOfStructs(b *testing.B) {
	Command("bench", func(_ *Context, in benchNumbers) (benchSum, error) { return benchSum{in.A + in.B}, nil })
	benchmark(b)
}

func BenchmarkBlockOfMaps(b *testing.B) {
	Command("bench", func(_ *Context, in map[string]any) (any, error) { return in["a"], nil })
	benchmark(b)
}

func benchmark(b *testing.B) {
	w := &worker{largest: defaultLimit}
	w.more = sync.NewCond(&w.lock)
	lines := []byte(strings.Repeat("{\"a\":123,\"b\":4}\n", b.N))
	b.ReportAllocs()
	b.ResetTimer()
	r := newRun(w, callSpec{id: 1, command: "bench", credit: 1 << 40, block: &block{lines: lines}})
	if _, err := r.answer(); err != nil {
		b.Fatal(err)
	}
}
