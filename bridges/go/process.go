package snakepit

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

func secret() string {
	descriptor, err := strconv.Atoi(os.Getenv("SNAKEPIT_TOKEN_FD"))
	if err != nil {
		return ""
	}
	os.Unsetenv("SNAKEPIT_TOKEN_FD")
	file := os.NewFile(uintptr(descriptor), "token")
	defer file.Close()
	text, _ := io.ReadAll(file)
	return strings.TrimSpace(string(text))
}

func watchLifeline() {
	descriptor, err := strconv.Atoi(os.Getenv("SNAKEPIT_LIFELINE_FD"))
	if err != nil {
		return
	}
	syscall.CloseOnExec(descriptor)
	go func() {
		_, _ = io.Copy(io.Discard, os.NewFile(uintptr(descriptor), "lifeline"))
		os.Exit(1)
	}()
}

func leave(code int, format string, values ...any) {
	if format != "" {
		fmt.Fprintf(os.Stderr, "snakepit go bridge: "+format+"\n", values...)
	}
	os.Exit(code)
}
