package snakepit

import (
	"bytes"
	"encoding/json"
	"time"
	"unicode/utf8"
)

// block answers the items one after another. What has been answered leaves before an item that begins a moment later.
func (r *run) block(command handler, fixed []byte) error {
	items := r.spec.block
	patient := !items.careful && !(r.spec.timeout > 0 && r.spec.timeout < hasty)
	out := lines{run: r, leave: func(part chunks) { r.kept.take(part, r.say, patient && r.hasRoom()) }}
	defer out.flush()
	for rest := items.lines; len(rest) > 0; {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			return errMalformed
		}
		line := rest[:end]
		rest = rest[end+1:]
		if items.careful {
			out.flush()
			r.worker.delivered()
		}
		if err := r.ctx.Err(); err != nil {
			return err
		}
		before := out.text.Len()
		_, err := r.guarded(func() ([]byte, error) {
			args, err := merged(fixed, line, items)
			if err != nil {
				return nil, err
			}
			return nil, r.one(&out.text, command, args)
		})
		if err != nil {
			out.fail(before, failureOf(err))
		}
		if err := out.added(out.text.Len() - before); err != nil {
			return err
		}
	}
	return nil
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
	room := l.run.spend(size)
	if !room || l.text.Len() > large || !time.Now().Before(l.due) {
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
