package snakepit

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func referenceTo(t *testing.T, folder, name, text string) reference {
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	found, _ := os.Stat(path)
	device, inode := identity(found)
	return reference{path, device, inode, 0, uint64(len(text))}
}

func TestAReferenceIsReadAsItSaysOrRefused(t *testing.T) {
	folder := t.TempDir()
	ref := referenceTo(t, folder, "a", "0123456789\n")
	part := ref
	part.offset, part.length = 2, 3
	if data, err := part.read(); err != nil || string(data) != "234" {
		t.Fatal(string(data), err)
	}
	_ = os.Symlink(ref.path, folder+"/link")
	_ = syscall.Mkfifo(folder+"/fifo", 0o600)
	for what, change := range map[string]func(*reference){
		"ends too early":         func(r *reference) { r.length++ },
		" ends too early":        func(r *reference) { r.offset = 1<<64 - 1 },
		"is another file by now": func(r *reference) { r.inode++ },
		"no such file":           func(r *reference) { r.path = folder + "/none" },
		"cannot be read":         func(r *reference) { r.path = folder + "/link" },
		"is no regular file":     func(r *reference) { r.path = folder + "/fifo" },
		"no regular file":        func(r *reference) { r.path = folder },
	} {
		bad := ref
		change(&bad)
		_, err := bad.read()
		var refused refusal
		if !errors.As(err, &refused) || refused.kind != referenceFailed || !strings.Contains(refused.message, what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for count, fits := range map[uint64]bool{1: true, 2: false} {
		call := callSpec{block: &block{linesRef: &ref, count: count}}
		if err := call.fetch(); (err == nil) != fits {
			t.Error(count, err)
		}
	}
}

func madeSegments(folder string, bytes uint64) *segments {
	return newSegments(welcome{segments: folder, segmentName: "w-", segmentBytes: bytes, referenceAbove: 10})
}

func TestSegmentsAreLentUsedAgainAndWithinTheirRoom(t *testing.T) {
	ours := madeSegments(t.TempDir(), 1<<20)
	if ours.put([]byte("short")) != nil {
		t.Error("a short one")
	}
	first := ours.put([]byte("a long payload"))
	if data, err := first.read(); err != nil || string(data) != "a long payload" {
		t.Fatal(string(data), err)
	}
	second := ours.put([]byte("another payload"))
	ours.released([]string{first.path, "/no/such"})
	if third := ours.put([]byte("a third payload")); second.path == first.path || third.path != first.path {
		t.Error(first, second, third)
	}
	if ours.put(make([]byte, 2<<20)) != nil {
		t.Error("more than there is room for")
	}
	ours.released([]string{first.path, second.path})
	if ours.put(make([]byte, 900_000)) == nil {
		t.Error("the room of what is free is room")
	}
	ours.lost()
	if ours.put([]byte("a long payload")) != nil {
		t.Error("the stream has ended")
	}
}

func TestAnswersThatAreKeptBackAreInTheJournalAndLeaveTogether(t *testing.T) {
	folder := t.TempDir()
	said := make(chan chunks, 9)
	ours := newKept(madeSegments(folder, 1<<20).journal())
	take := func(part chunks) { ours.take(part, func(one chunks) { said <- one }, true) }
	expect := func(numbers [4]uint64, lines string) {
		t.Helper()
		data, _ := os.ReadFile(folder + "/w-journal")
		var found [4]uint64
		_ = binary.Read(bytes.NewReader(data), binary.LittleEndian, &found)
		if found != numbers || !bytes.HasPrefix(data[journalHead:], []byte(lines)) {
			t.Error(found, string(data[journalHead:]))
		}
	}
	take(chunks{id: 7, lines: []byte("1\n2\n"), count: 2})
	take(chunks{id: 7, lines: []byte("3\n"), count: 1})
	expect([4]uint64{7, 0, 3, 6}, "1\n2\n3\n")
	take(chunks{id: 7, lines: []byte("{}\n"), count: 1, failed: []uint64{0}})
	if one := <-said; string(one.lines) != "1\n2\n3\n{}\n" || one.count != 4 || one.failed[0] != 3 {
		t.Error(one)
	}
	take(chunks{id: 7, lines: []byte("5\n"), count: 1})
	expect([4]uint64{7, 4, 1, 2}, "5\n")
	if one := <-said; string(one.lines) != "5\n" { // without anything that follows
		t.Error(one)
	}
	take(chunks{id: 8, lines: make([]byte, much+1), count: 1})
	if one := <-said; one.id != 8 {
		t.Error("much is not kept back")
	}
	ours.lost()
	take(chunks{id: 9, lines: []byte("1\n"), count: 1})
	if one := <-said; one.id != 9 {
		t.Error("without a journal nothing is kept back")
	}
}
