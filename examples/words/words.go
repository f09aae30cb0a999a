// Commands in Go: snakepit up gopher --adapter go:./examples/words
package main

import (
	"strings"
	"unicode/utf8"

	"snakepit"
)

type counting struct {
	Text string `json:"text"`
	Unit string `json:"unit" default:"\"words\""`
}

func count(_ *snakepit.Context, in counting) (map[string]int, error) {
	if in.Unit == "words" {
		return map[string]int{"words": len(strings.Fields(in.Text))}, nil
	}
	return map[string]int{in.Unit: utf8.RuneCountInString(in.Text)}, nil
}

type splitting struct {
	Text string `json:"text"`
}

func lines(_ *snakepit.Context, in splitting, emit func(any) error) error {
	for _, line := range strings.Split(in.Text, "\n") {
		if err := emit(line); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	snakepit.Command("count", count, "How many words a text has, or characters.")
	snakepit.Stream("lines", lines, "The lines of a text, one after another.")
	snakepit.Serve()
}
