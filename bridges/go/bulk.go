package snakepit

import (
	"bytes"
	"encoding/json"
	"runtime/debug"
	"time"
	"unicode/utf8"
)

const (
	mostTogether = 32                    // items between two looks at the clock: how many slow ones may follow quick ones
	betweenLooks = 64 * time.Microsecond // a look costs a thousandth of that
	shortText    = 1 << 15               // bytes of answers after which is looked, too
)

// bulk answers the items of a block one after another. Quick ones are run many at a time, and what has been answered
// leaves about every millisecond, between two runs. An item is never run twice.
type bulk struct {
	run     *run
	command handler
	fixed   []byte
	items   *block
	quick   quick // nil: all is for encoding/json
	rest    []byte
	limit   int
	out     lines
	scratch []byte
	began   int // where the answer to this item begins
	looked  time.Time
	stride  int
}

func (r *run) block(command handler, fixed []byte) error {
	items := r.spec.block
	patient := !items.careful && !(r.spec.timeout > 0 && r.spec.timeout < hasty)
	b := bulk{run: r, command: command, fixed: fixed, items: items, rest: items.lines, limit: r.worker.limit(), stride: 1}
	b.out = lines{run: r, leave: func(part chunks) { r.kept.take(part, r.say, patient && r.hasRoom()) }}
	if command.quick != nil && !items.text && !r.spec.takesParts {
		b.quick = command.quick(fixed)
	}
	defer b.out.flush()
	b.looked = time.Now()
	for len(b.rest) > 0 {
		if items.careful {
			b.out.flush()
			r.worker.delivered()
		}
		before, size := b.out.count, b.out.text.Len()
		if err := b.some(b.stride); err != nil {
			return err
		}
		now := b.look(int(b.out.count - before))
		if err := b.out.look(b.out.text.Len()-size, now); err != nil {
			return err
		}
	}
	return nil
}

// look adapts the stride: slow items shorten the next run at once, quick ones lengthen it step by step.
func (b *bulk) look(count int) time.Time {
	now := time.Now()
	taken := now.Sub(b.looked)
	b.looked = now
	switch {
	case b.items.careful:
	case taken > betweenLooks:
		if b.stride = count * int(betweenLooks) / int(taken); b.stride < 1 {
			b.stride = 1
		}
	case b.stride < mostTogether && 2*taken < betweenLooks:
		b.stride *= 2
	}
	return now
}

// some answers a run of items, up to one that panics.
func (b *bulk) some(most int) error {
	defer func() {
		if thrown := recover(); thrown != nil {
			b.fail(panicked{thrown, string(debug.Stack())})
		}
	}()
	cancelled, first := b.run.ctx.Done(), b.out.text.Len()
	for ; most > 0 && len(b.rest) > 0 && b.out.text.Len()-first < shortText; most-- {
		select {
		case <-cancelled:
			return b.run.ctx.Err()
		default:
		}
		end := bytes.IndexByte(b.rest, '\n')
		if end < 0 {
			return errMalformed
		}
		line := b.rest[:end]
		b.rest = b.rest[end+1:]
		b.began = b.out.text.Len()
		if err := b.one(line); err != nil {
			b.fail(err)
		} else {
			b.out.count++
		}
	}
	return nil
}

func (b *bulk) fail(err error) {
	b.out.fail(b.began, failureOf(err))
	b.out.count++
}

// one appends the answer to an item.
func (b *bulk) one(line []byte) error {
	if b.quick == nil {
		return b.slow(line)
	}
	text, got := b.quick(b.run.ctx, line, b.scratch[:0])
	b.scratch = text
	switch got.state {
	case untouched:
		return b.slow(line)
	case returned:
		return b.run.whole(&b.out.text, got.value, b.command.spec.name)
	case failed:
		return got.err
	}
	if len(text)+overhead > b.limit {
		return tooLarge(b.command.spec.name, len(text), b.limit)
	}
	b.out.text.Write(text)
	return nil
}

func (b *bulk) slow(line []byte) error {
	args, err := merged(b.fixed, line, b.items)
	if err != nil {
		return err
	}
	return b.run.one(&b.out.text, b.command, args)
}

// merged is the arguments of an item: an object over the fixed ones, anything else as the argument that is named.
func merged(fixed, line []byte, items *block) ([]byte, error) {
	if !utf8.Valid(line) { // encoding/json would change it without a word
		return nil, refuse(invalidArguments, "the line is not UTF-8")
	}
	item := bytes.TrimLeft(line, " \t\r")
	if items.text {
		item, _ = json.Marshal(string(line))
	}
	whole := !items.text && len(item) > 0 && item[0] == '{'
	bare := len(bytes.TrimSpace(fixed)) <= 2
	if whole && bare {
		return item, nil // checked when it is read
	}
	if !items.text && !json.Valid(item) {
		return nil, refuse(invalidArguments, "the line is not valid JSON")
	}
	all := map[string]json.RawMessage{}
	_ = json.Unmarshal(fixed, &all)
	if whole {
		_ = json.Unmarshal(item, &all)
	} else {
		name := items.itemArgument
		if name == "" {
			name = "item"
		}
		all[name] = item
	}
	return json.Marshal(all)
}

// lines are chunks on their way: the first leaves at once, those that follow within a moment together.
type lines struct {
	run    *run
	leave  func(chunks) // the bytes in them are ours again afterwards
	text   bytes.Buffer
	count  uint64
	failed []uint64
	due    time.Time
}

// fail puts a failure where an answer was begun.
func (l *lines) fail(before int, found *failure) {
	l.text.Truncate(before)
	l.failed = append(l.failed, l.count)
	facts := map[string]string{"kind": kindNames[found.kind]}
	for name, value := range map[string]string{
		"type": found.typ, "message": found.message, "traceback": found.traceback,
	} {
		if value != "" {
			facts[name] = value
		}
	}
	text, _ := json.Marshal(facts)
	l.text.Write(append(text, '\n'))
}

// added counts a line that was appended; waits while the reader has no room.
func (l *lines) added(size int) error {
	l.count++
	return l.look(size, time.Now())
}

// look is taken when so many bytes have been appended since the last one.
func (l *lines) look(size int, now time.Time) error {
	room := l.run.spend(size)
	if !room || l.text.Len() > large || !now.Before(l.due) {
		l.flush()
	}
	if !room {
		return l.run.waitForRoom()
	}
	return l.run.ctx.Err()
}

func (l *lines) flush() {
	if l.count == 0 {
		return
	}
	l.leave(chunks{id: l.run.spec.id, lines: l.text.Bytes(), count: l.count, failed: l.failed})
	l.text.Reset()
	l.count, l.failed = 0, nil
	l.due = time.Now().Add(moment)
}
