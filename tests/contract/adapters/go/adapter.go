// What tests/contract calls, in Go.
package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"syscall"
	"time"

	"snakepit"
)

var kept any = 0

type none struct{}

type numbers struct {
	A int64 `json:"a"`
	B int64 `json:"b" default:"1"`
}

type message struct {
	Message string `json:"message"`
}

type seconds struct {
	Seconds float64 `json:"seconds"`
}

type value struct {
	Value any `json:"value"`
}

type repeating struct {
	Value any `json:"value"`
	N     int `json:"n"`
}

type counting struct {
	N     int     `json:"n"`
	Pause float64 `json:"pause" default:"0"`
}

type size struct {
	Size int `json:"size"`
}

type text struct {
	Text string `json:"text"`
}

type question struct {
	Command string         `json:"command"`
	Args    map[string]any `json:"args"`
	Pool    string         `json:"pool"`
}

// RangeError is what `fail` throws.
type RangeError struct{ message string }

func (e RangeError) Error() string { return e.message }

func duration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

func main() {
	snakepit.Command("add", func(_ *snakepit.Context, in numbers) (map[string]int64, error) {
		return map[string]int64{"sum": in.A + in.B}, nil
	}, "Adds two numbers.")
	snakepit.Command("conformance", func(*snakepit.Context, none) (any, error) { return nil, nil })
	snakepit.Command("echo", func(_ *snakepit.Context, in map[string]any) (map[string]any, error) { return in, nil })
	snakepit.Command("fail", func(_ *snakepit.Context, in message) (any, error) { panic(RangeError{in.Message}) })
	snakepit.Command("who", func(*snakepit.Context, none) (int, error) { return os.Getpid(), nil })
	snakepit.Command("keep", func(_ *snakepit.Context, in value) (any, error) { kept = in.Value; return kept, nil })
	snakepit.Command("kept", func(*snakepit.Context, none) (any, error) { return kept, nil })
	snakepit.Command("nap", nap)
	snakepit.Command("burn", burn)
	snakepit.Stream("count", count)
	snakepit.Stream("repeat", repeat)
	snakepit.Command("big", func(_ *snakepit.Context, in size) (string, error) { return strings.Repeat("x", in.Size), nil })
	snakepit.Command("leave", func(*snakepit.Context, none) (any, error) { os.Exit(3); return nil, nil })
	snakepit.Command("die", func(*snakepit.Context, none) (any, error) {
		return nil, syscall.Kill(os.Getpid(), syscall.SIGKILL)
	})
	snakepit.Command("say", func(_ *snakepit.Context, in text) (any, error) { fmt.Println(in.Text); return nil, nil })
	snakepit.Command("left", func(ctx *snakepit.Context, _ none) (float64, error) {
		deadline, _ := ctx.Deadline()
		return time.Until(deadline).Seconds(), nil
	})
	snakepit.Command("unfit", func(*snakepit.Context, none) (float64, error) { return math.NaN(), nil })
	snakepit.Command("odd", odd)
	snakepit.Stream("odds", func(_ *snakepit.Context, _ none, emit func(any) error) error {
		if err := emit(1); err != nil {
			return err
		}
		return emit([]float64{math.NaN()})
	})
	snakepit.Command("session", func(ctx *snakepit.Context, _ none) (string, error) { return ctx.Session().ID, nil })
	snakepit.Command("ask", ask)
	snakepit.Serve()
}

func odd(_ *snakepit.Context, in struct {
	What string `json:"what"`
}) (any, error) {
	inner := map[string]any{}
	circle := map[string]any{"a": []any{1, inner}}
	inner["back"] = circle
	return map[string]any{
		"nan":      map[string]any{"scores": []any{1, 2, math.NaN()}, "n": nil},
		"infinity": []any{map[string]any{"a b": math.Inf(-1)}},
		"object":   map[string]any{"model": make(chan int)},
		"circle":   circle,
	}[in.What], nil
}

func nap(ctx *snakepit.Context, in seconds) (string, error) {
	select {
	case <-time.After(duration(in.Seconds)):
		return "slept", nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func burn(_ *snakepit.Context, in seconds) (string, error) {
	for end := time.Now().Add(duration(in.Seconds)); time.Now().Before(end); {
	}
	return "burnt", nil
}

func count(_ *snakepit.Context, in counting, emit func(any) error) error {
	for n := 0; n < in.N; n++ {
		time.Sleep(duration(in.Pause))
		if err := emit(n); err != nil {
			return err
		}
	}
	return nil
}

func repeat(_ *snakepit.Context, in repeating, emit func(any) error) error {
	for n := 0; n < in.N; n++ {
		if err := emit(n); err != nil {
			return err
		}
		if err := emit([]any{in.Value, n}); err != nil {
			return err
		}
	}
	return nil
}

func ask(ctx *snakepit.Context, in question) (any, error) {
	var answer any
	err := ctx.Call(in.Pool, in.Command, in.Args, &answer)
	var failed *snakepit.CallError
	if errors.As(err, &failed) {
		return []string{failed.Kind, failed.Message}, nil
	}
	return answer, err
}
