package snakepit

import (
	"encoding/binary"
	"errors"
	"math"
)

// The messages of the worker contract (proto/snakepit/worker/v1/worker.proto) in protobuf's encoding, as far as a
// worker needs them. Unknown fields are passed over.

var errMalformed = errors.New("a message that ends too soon")

type kind uint64

const (
	commandFailed kind = iota + 1
	commandNotFound
	invalidArguments
	cancelled
	invalidResult
	_
	_
	recalled
)

var kindNames = map[kind]string{
	commandFailed: "command_failed", commandNotFound: "command_not_found", invalidArguments: "invalid_arguments",
	cancelled: "cancelled", invalidResult: "invalid_result", recalled: "recalled",
}

type block struct {
	lines        []byte
	itemArgument string
	text         bool
	careful      bool
}

type callSpec struct {
	id      uint64
	command string
	args    []byte
	session string
	timeout float64
	stream  bool
	cwd     string
	credit  uint64
	block   *block
}

type failure struct {
	kind      kind
	typ       string
	message   string
	traceback string
	name      string
}

type result struct {
	id          uint64
	value       []byte
	failure     *failure
	waitSeconds float32
	runSeconds  float32
}

type credit struct{ id, bytes uint64 }

type toWorker struct {
	welcome *uint64 // the largest message
	calls   []callSpec
	cancels []uint64
	credits []credit
	ping    *uint64
	drain   bool
	replies []result
	recalls []uint64
}

type chunks struct {
	id     uint64
	lines  []byte
	count  uint64
	failed []uint64
}

type request struct {
	id, parent    uint64
	pool, command string
	args          []byte
	session       string
	timeout       float64
}

type parameter struct {
	name, typ   string
	required    bool
	defaultJSON string
}

type commandSpec struct {
	name, summary string
	streaming     bool
	parameters    []parameter
	open          bool
}

// ------------------------------------------------------------------------------------------------ decoding

// field is one field of a message: its number, and its value as a number or as bytes.
type field struct {
	number int
	value  uint64
	bytes  []byte
}

func (f field) double() float64 { return math.Float64frombits(f.value) }

// fields calls take with each field of a message.
func fields(data []byte, take func(field) error) error {
	for len(data) > 0 {
		tag, size := binary.Uvarint(data)
		if size <= 0 {
			return errMalformed
		}
		data = data[size:]
		found := field{number: int(tag >> 3)}
		switch tag & 7 {
		case 0:
			found.value, size = binary.Uvarint(data)
		case 1:
			if size = 8; len(data) >= 8 {
				found.value = binary.LittleEndian.Uint64(data)
			}
		case 2:
			length, head := binary.Uvarint(data)
			if head <= 0 || length > uint64(len(data)-head) {
				return errMalformed
			}
			size = head + int(length)
			found.bytes = data[head:size]
		case 5:
			if size = 4; len(data) >= 4 {
				found.value = uint64(binary.LittleEndian.Uint32(data))
			}
		default:
			return errMalformed
		}
		if size <= 0 || size > len(data) {
			return errMalformed
		}
		data = data[size:]
		if err := take(found); err != nil {
			return err
		}
	}
	return nil
}

func decodeToWorker(data []byte) (message toWorker, err error) {
	err = fields(data, func(f field) error {
		switch f.number {
		case 1:
			message.welcome = new(uint64)
			return numberAt(f.bytes, 2, message.welcome)
		case 2:
			call, err := decodeCall(f.bytes)
			message.calls = append(message.calls, call)
			return err
		case 3:
			var id uint64
			err := numberAt(f.bytes, 1, &id)
			message.cancels = append(message.cancels, id)
			return err
		case 4:
			var one credit
			err := numberAt(f.bytes, 1, &one.id)
			if err == nil {
				err = numberAt(f.bytes, 2, &one.bytes)
			}
			message.credits = append(message.credits, one)
			return err
		case 5:
			message.ping = new(uint64)
			return numberAt(f.bytes, 1, message.ping)
		case 6:
			message.drain = true
		case 7:
			reply, err := decodeResult(f.bytes)
			message.replies = append(message.replies, reply)
			return err
		case 8:
			return numbers(f, &message.recalls)
		}
		return nil
	})
	return message, err
}

// numberAt reads the number of one field of a message.
func numberAt(data []byte, number int, into *uint64) error {
	return fields(data, func(f field) error {
		if f.number == number {
			*into = f.value
		}
		return nil
	})
}

// numbers adds those of a repeated field, which may come together.
func numbers(f field, into *[]uint64) error {
	if f.bytes == nil {
		*into = append(*into, f.value)
		return nil
	}
	for rest := f.bytes; len(rest) > 0; {
		value, size := binary.Uvarint(rest)
		if size <= 0 {
			return errMalformed
		}
		*into = append(*into, value)
		rest = rest[size:]
	}
	return nil
}

func decodeCall(data []byte) (call callSpec, err error) {
	err = fields(data, func(f field) (err error) {
		switch f.number {
		case 1:
			call.id = f.value
		case 2:
			call.command = string(f.bytes)
		case 3:
			call.args = f.bytes
		case 4:
			call.session = string(f.bytes)
		case 5:
			call.timeout = f.double()
		case 6:
			call.stream = f.value != 0
		case 7:
			call.cwd = string(f.bytes)
		case 8:
			call.credit = f.value
		case 9:
			call.block, err = decodeBlock(f.bytes)
		}
		return err
	})
	return call, err
}

func decodeBlock(data []byte) (*block, error) {
	found := &block{}
	return found, fields(data, func(f field) error {
		switch f.number {
		case 1:
			found.lines = f.bytes
		case 3:
			found.itemArgument = string(f.bytes)
		case 4:
			found.text = f.value != 0
		case 5:
			found.careful = f.value != 0
		}
		return nil
	})
}

func decodeResult(data []byte) (found result, err error) {
	err = fields(data, func(f field) error {
		switch f.number {
		case 1:
			found.id = f.value
		case 2:
			found.value = f.bytes
		case 3:
			found.failure = &failure{}
			return fields(f.bytes, func(f field) error {
				switch f.number {
				case 2:
					found.failure.typ = string(f.bytes)
				case 3:
					found.failure.message = string(f.bytes)
				case 4:
					found.failure.traceback = string(f.bytes)
				case 5:
					found.failure.name = string(f.bytes)
				}
				return nil
			})
		}
		return nil
	})
	return found, err
}

// ------------------------------------------------------------------------------------------------ encoding

// encoder appends fields; what is empty or zero is left out.
type encoder []byte

func (e *encoder) uvarint(value uint64) {
	*e = binary.AppendUvarint(*e, value)
}

func (e *encoder) number(number int, value uint64) {
	if value != 0 {
		e.uvarint(uint64(number << 3))
		e.uvarint(value)
	}
}

func (e *encoder) flag(number int, value bool) {
	if value {
		e.number(number, 1)
	}
}

func (e *encoder) double(number int, value float64) {
	if value != 0 {
		e.uvarint(uint64(number<<3 | 1))
		*e = binary.LittleEndian.AppendUint64(*e, math.Float64bits(value))
	}
}

func (e *encoder) float(number int, value float32) {
	if value != 0 {
		e.uvarint(uint64(number<<3 | 5))
		*e = binary.LittleEndian.AppendUint32(*e, math.Float32bits(value))
	}
}

func (e *encoder) bytes(number int, value []byte) {
	if len(value) > 0 {
		e.message(number, value)
	}
}

func (e *encoder) text(number int, value string) {
	if value != "" {
		e.uvarint(uint64(number<<3 | 2))
		e.uvarint(uint64(len(value)))
		*e = append(*e, value...)
	}
}

// message appends a message even when it is empty.
func (e *encoder) message(number int, body []byte) {
	e.uvarint(uint64(number<<3 | 2))
	e.uvarint(uint64(len(body)))
	*e = append(*e, body...)
}

func (e *encoder) result(one result) {
	var body encoder
	body.number(1, one.id)
	if one.failure != nil {
		var inner encoder
		inner.number(1, uint64(one.failure.kind))
		inner.text(2, one.failure.typ)
		inner.text(3, one.failure.message)
		inner.text(4, one.failure.traceback)
		body.message(3, inner)
	} else {
		body.message(2, one.value)
	}
	body.float(4, one.waitSeconds)
	body.float(5, one.runSeconds)
	e.message(3, body)
}

func (e *encoder) chunks(one chunks) {
	var body encoder
	body.number(1, one.id)
	body.bytes(2, one.lines)
	body.number(3, one.count)
	for _, at := range one.failed {
		body.uvarint(4 << 3)
		body.uvarint(at)
	}
	e.message(4, body)
}

func (e *encoder) pong(nonce uint64) {
	var body encoder
	body.number(1, nonce)
	e.message(5, body)
}

func (e *encoder) request(one request) {
	var body encoder
	body.number(1, one.id)
	body.number(2, one.parent)
	body.text(3, one.pool)
	body.text(4, one.command)
	body.bytes(5, one.args)
	body.text(6, one.session)
	body.double(7, one.timeout)
	e.message(6, body)
}

func (e *encoder) withdrawal(id uint64) {
	e.uvarint(7 << 3)
	e.uvarint(id)
}

type hello struct {
	token, worker, runtime string
	capacity               uint64
	commands               []commandSpec
	pid                    uint64
	sessions               []string
}

func (e *encoder) hello(one hello) {
	var body encoder
	body.text(1, one.token)
	body.text(2, one.worker)
	body.text(3, "go")
	body.text(4, one.runtime)
	body.number(5, protocol)
	body.number(6, protocol)
	body.number(7, one.capacity)
	for _, spec := range one.commands {
		var inner encoder
		inner.text(1, spec.name)
		inner.text(2, spec.summary)
		inner.flag(3, spec.streaming)
		for _, known := range spec.parameters {
			var part encoder
			part.text(1, known.name)
			part.text(2, known.typ)
			part.flag(3, known.required)
			part.text(4, known.defaultJSON)
			inner.message(4, part)
		}
		inner.flag(5, spec.open)
		body.message(8, inner)
	}
	body.number(9, one.pid)
	for _, session := range one.sessions {
		body.message(10, []byte(session))
	}
	e.message(1, body)
}
