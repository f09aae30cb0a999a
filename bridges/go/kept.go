package snakepit

import (
	"encoding/binary"
	"os"
	"sync"
	"time"
)

const (
	journalBytes = 1 << 19
	journalHead  = 32
	seldom       = 20 * time.Millisecond // between two messages of answers that are kept back
	much         = 1 << 18               // bytes that are not kept back
	hasty        = 1.0                   // seconds: where an item may take less, each answer counts as a sign of life
)

// journal holds answers to items that are not sent yet, where the server finds them when this process dies.
type journal struct {
	file        *os.File
	call, sent  uint64
	count, size uint64
	head        [journalHead]byte
}

// add puts answers behind those of the same call that are not sent yet; false when there is no room.
func (j *journal) add(call, sent uint64, lines []byte, count uint64) bool {
	if call != j.call || sent != j.sent {
		// The answers that these take the place of must not be taken for them, wherever it ends.
		j.call, j.sent, j.count, j.size = call, sent, 0, 0
		if !j.writeHead() {
			return false
		}
	}
	if journalHead+j.size+uint64(len(lines)) > journalBytes {
		return false
	}
	if _, err := j.file.WriteAt(lines, int64(journalHead+j.size)); err != nil {
		return false
	}
	j.count += count
	j.size += uint64(len(lines))
	return j.writeHead()
}

func (j *journal) writeHead() bool {
	for at, number := range [...]uint64{j.call, j.sent, j.count, j.size} {
		binary.LittleEndian.PutUint64(j.head[8*at:], number)
	}
	_, err := j.file.WriteAt(j.head[:], 0)
	return err == nil
}

// kept are answers of a block that leave together. Until then they are in the journal, where a death does not lose them.
type kept struct {
	lock    sync.Mutex
	journal *journal     // nil: nothing is kept back
	say     func(chunks) // of the call whose answers they are
	next    chunks
	sent    uint64 // answers to the same call that have been sent
	timer   *time.Timer
}

func newKept(journal *journal) *kept {
	k := &kept{journal: journal}
	k.timer = time.AfterFunc(time.Hour, k.leave)
	k.timer.Stop()
	return k
}

// take gets answers of a block; they leave now, or soon. `lines` are the caller's again afterwards.
func (k *kept) take(part chunks, say func(chunks), keep bool) {
	k.lock.Lock()
	defer k.lock.Unlock()
	if part.id != k.next.id {
		k.out()
		k.next.id, k.sent, k.say = part.id, 0, say
	}
	keep = keep && len(part.failed) == 0 && k.journal != nil && len(k.next.lines)+len(part.lines) <= much
	keep = keep && k.journal.add(part.id, k.sent, part.lines, part.count)
	if keep && k.next.count == 0 {
		k.timer.Reset(seldom)
	}
	for _, at := range part.failed {
		k.next.failed = append(k.next.failed, k.next.count+at)
	}
	k.next.lines = append(k.next.lines, part.lines...)
	k.next.count += part.count
	if !keep {
		k.out()
	}
}

// leave sends all that there is.
func (k *kept) leave() {
	k.lock.Lock()
	defer k.lock.Unlock()
	k.out()
}

func (k *kept) out() {
	if k.next.count == 0 {
		return
	}
	k.timer.Stop()
	k.say(k.next)
	k.sent += k.next.count
	k.next = chunks{id: k.next.id}
}

// lost drops everything when the stream has ended.
func (k *kept) lost() {
	k.lock.Lock()
	defer k.lock.Unlock()
	k.timer.Stop()
	k.next = chunks{}
	if k.journal != nil {
		k.journal.file.Close()
		k.journal = nil
	}
}
