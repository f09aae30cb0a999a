package main

import "snakepit"

type numbers struct {
	A int64 `json:"a"`
	B int64 `json:"b"`
}

type answer struct {
	Sum int64 `json:"sum"`
}

func add(_ *snakepit.Context, in numbers) (answer, error) {
	return answer{in.A + in.B}, nil
}

func main() {
	snakepit.Command("add", add)
	snakepit.Serve()
}
