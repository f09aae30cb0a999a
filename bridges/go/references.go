package snakepit

import (
	"bytes"
	"errors"
	"io/fs"
	"math"
	"os"
	"syscall"
)

// reference is a range of a file, instead of the bytes in it.
type reference struct {
	path                          string
	device, inode, offset, length uint64
}

const readOnly = os.O_RDONLY | syscall.O_NOFOLLOW | syscall.O_NONBLOCK // nothing waits for the writer of a FIFO

// read is the bytes that it stands for, as they are now, or the refusal that says why they cannot be had. Read, not
// mapped: a file that gets shorter meanwhile would end the process.
func (r *reference) read() ([]byte, error) {
	file, err := os.OpenFile(r.path, readOnly, 0)
	if err != nil {
		return nil, r.unreadable(err)
	}
	defer file.Close()
	found, err := file.Stat()
	if err != nil {
		return nil, r.unreadable(err)
	}
	if !found.Mode().IsRegular() {
		return nil, r.refused("is no regular file")
	}
	if device, inode := identity(found); device != r.device || inode != r.inode {
		return nil, r.refused("is another file by now")
	}
	// Before room is made for it: a file that has become shorter is no reason to take memory.
	if end := r.offset + r.length; end < r.offset || end > math.MaxInt64 || int64(end) > found.Size() {
		return nil, r.refused("ends too early")
	}
	data := make([]byte, r.length)
	if _, err := file.ReadAt(data, int64(r.offset)); err != nil {
		return nil, r.unreadable(err)
	}
	return data, nil
}

func identity(found fs.FileInfo) (device, inode uint64) {
	system, known := found.Sys().(*syscall.Stat_t)
	if !known {
		return 0, 0
	}
	return uint64(system.Dev), system.Ino
}

func (r *reference) refused(what string) error {
	return refuse(referenceFailed, "%s %s", r.path, what)
}

func (r *reference) unreadable(err error) error {
	var inner *fs.PathError
	if errors.As(err, &inner) {
		err = inner.Err
	}
	return refuse(referenceFailed, "%s cannot be read: %s", r.path, err)
}

// fetch reads what a call refers to.
func (c *callSpec) fetch() (err error) {
	if c.argsRef != nil {
		if c.args, err = c.argsRef.read(); err != nil {
			return err
		}
	}
	if c.block == nil || c.block.linesRef == nil {
		return nil
	}
	lines, err := c.block.linesRef.read()
	if err != nil {
		return err
	}
	if uint64(bytes.Count(lines, []byte("\n"))) != c.block.count || !bytes.HasSuffix(lines, []byte("\n")) {
		return refuse(referenceFailed, "%s has not %d lines there any more", c.block.linesRef.path, c.block.count)
	}
	c.block.lines = lines
	return nil
}
