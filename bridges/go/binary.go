package snakepit

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// Messages with parts: JSON, and beside it raw bytes as they are. docs/reference/binary-parts.md describes them.

const (
	partsMagic   = "\x00SPB"
	partsHead    = 12
	partsRow     = 16
	partsAlign   = 64
	mostParts    = 65_536
	placeKey     = "$binary"
	placeKeyText = `"` + placeKey + `":`
)

// part is a part of a message: an array when it has a dtype, else bytes of a type that may be empty.
type part struct {
	data  []byte
	dtype string
	shape []int
	typ   string
}

func isMessage(data []byte) bool { return len(data) > 0 && data[0] == 0 }

// pack makes a message of compact JSON and its parts.
func pack(text []byte, parts []part) []byte {
	end := partsHead + partsRow*len(parts) + len(text)
	starts := make([]int, len(parts))
	for at, one := range parts {
		starts[at] = (end + partsAlign - 1) / partsAlign * partsAlign
		end = starts[at] + len(one.data)
	}
	message := make([]byte, end, end+1) // a line break may follow
	copy(message, partsMagic)
	binary.LittleEndian.PutUint32(message[4:], uint32(len(text)))
	binary.LittleEndian.PutUint32(message[8:], uint32(len(parts)))
	for at, one := range parts {
		row := message[partsHead+partsRow*at:]
		binary.LittleEndian.PutUint64(row, uint64(starts[at]))
		binary.LittleEndian.PutUint64(row[8:], uint64(len(one.data)))
		copy(message[starts[at]:], one.data)
	}
	copy(message[partsHead+partsRow*len(parts):], text)
	return message
}

// unpack is the JSON text of a message and its parts, as views.
func unpack(message []byte) (text []byte, parts [][]byte, err error) {
	size := uint64(len(message))
	if size < partsHead {
		return nil, nil, fmt.Errorf("the message has %d bytes; its head alone has %d", size, partsHead)
	}
	if string(message[:4]) != partsMagic {
		return nil, nil, fmt.Errorf("the message does not begin as one with parts does")
	}
	count := uint64(binary.LittleEndian.Uint32(message[8:]))
	if count > mostParts {
		return nil, nil, fmt.Errorf("the message has %d parts; at most %d are allowed", count, mostParts)
	}
	start := partsHead + partsRow*count
	end := start + uint64(binary.LittleEndian.Uint32(message[4:]))
	if end > size {
		return nil, nil, fmt.Errorf("the message ends after %d bytes, before its JSON does", size)
	}
	for at := uint64(0); at < count; at++ {
		row := message[partsHead+partsRow*at:]
		offset, length := binary.LittleEndian.Uint64(row), binary.LittleEndian.Uint64(row[8:])
		if offset < end || offset%partsAlign != 0 || offset > size || length > size-offset {
			return nil, nil, fmt.Errorf("part %d cannot be %d bytes at %d of %d", at, length, offset, size)
		}
		parts = append(parts, message[offset:offset+length:offset+length])
	}
	if text = message[start:end]; !utf8.Valid(text) {
		return nil, nil, fmt.Errorf("the JSON of the message is not UTF-8")
	}
	return text, parts, nil
}

// placed is the part of an object with the key `$binary`, and its number. Fails when it does not fit.
func placed(found map[string]any, parts [][]byte) (at int, one part, err error) {
	if at, err = whole(found[placeKey]); err != nil || at >= len(parts) {
		return 0, one, fmt.Errorf("an object names the part %.40v; the message has %d", found[placeKey], len(parts))
	}
	one.data = parts[at]
	_, isArray := found["dtype"]
	for key, value := range found {
		fits := key == placeKey
		switch {
		case key == "type" && !isArray:
			one.typ, fits = value.(string)
		case key == "dtype":
			one.dtype, fits = value.(string)
		case key == "shape" && isArray:
			one.shape, fits = wholes(value)
		}
		if !fits {
			return 0, one, fmt.Errorf("part %d: its object has a `%.40s` that does not fit", at, key)
		}
	}
	if isArray {
		if _, has := found["shape"]; !has {
			return 0, one, fmt.Errorf("part %d: its object has no shape", at)
		}
		if err := (Array{one.dtype, one.shape, one.data}).check(); err != nil {
			return 0, one, fmt.Errorf("part %d: %w", at, err)
		}
	}
	return at, one, nil
}

func whole(value any) (int, error) {
	number, isNumber := value.(json.Number)
	if !isNumber {
		return 0, errMalformed
	}
	found, err := number.Int64()
	if err != nil || found < 0 {
		return 0, errMalformed
	}
	return int(found), nil
}

func wholes(value any) ([]int, bool) {
	all, isList := value.([]any)
	found := make([]int, 0, len(all))
	for _, one := range all {
		number, err := whole(one)
		if err != nil {
			return nil, false
		}
		found = append(found, number)
	}
	return found, isList
}
