package snakepit

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"strconv"
	"sync"
)

// gRPC over HTTP/2 as a worker needs it: one stream to the gateway over a Unix socket. Messages leave from any
// goroutine and arrive in the one that reads. RFC 9113 and the gRPC over HTTP/2 protocol document, as far as that
// needs them.

const (
	frameData         = 0
	frameHeaders      = 1
	frameRst          = 3
	frameSettings     = 4
	framePing         = 6
	frameGoaway       = 7
	frameWindowUpdate = 8

	flagEndStream  = 0x1
	flagAck        = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8

	settingInitialWindow = 4
	settingMaxFrame      = 5

	maxWindow    = 1<<31 - 1
	replenish    = 1 << 29
	largestFrame = 1<<24 - 1

	preface     = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	unavailable = 14
)

var errEnded = errors.New("the stream has ended")

type stream struct {
	conn    net.Conn
	writing sync.Mutex // held for whole frames: the reader answers pings and settings in between
	sending sync.Mutex // held for whole messages

	windows      sync.Mutex
	room         *sync.Cond
	window       int64
	streamWindow int64
	initial      int64
	maxFrame     int64
	ended        bool

	unread int
	status int
	text   string
}

// dial opens a stream; what it brings is read with receive.
func dial(path, method string) (*stream, error) {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return nil, err
	}
	s := &stream{
		conn: conn, window: 65535, streamWindow: 65535, initial: 65535, maxFrame: 16384,
		status: unavailable, text: "the stream broke",
	}
	s.room = sync.NewCond(&s.windows)
	if _, err = conn.Write(opening(method)); err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

// frameHead is the head of a frame, with room for what follows.
func frameHead(size int, kind, flags byte, number uint32, room int) []byte {
	head := make([]byte, 9, 9+room)
	head[0], head[1], head[2] = byte(size>>16), byte(size>>8), byte(size)
	head[3], head[4] = kind, flags
	binary.BigEndian.PutUint32(head[5:], number)
	return head
}

func frame(kind, flags byte, number uint32, payload []byte) []byte {
	return append(frameHead(len(payload), kind, flags, number, len(payload)), payload...)
}

func uint32Bytes(value uint32) []byte {
	return binary.BigEndian.AppendUint32(nil, value)
}

func setting(into []byte, name uint16, value uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(into, name), value)
}

// opening has no dynamic header table, no pushes, and all the room there can be.
func opening(method string) []byte {
	settings := setting(setting(nil, 1, 0), 2, 0)
	settings = setting(setting(settings, settingInitialWindow, maxWindow), settingMaxFrame, largestFrame)
	var block []byte
	for _, pair := range [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":path", method}, {":authority", "localhost"},
		{"te", "trailers"}, {"content-type", "application/grpc"}, {"user-agent", "snakepit-go"},
	} {
		block = append(append(block, 0, byte(len(pair[0]))), pair[0]...)
		block = append(append(block, byte(len(pair[1]))), pair[1]...)
	}
	data := append([]byte(preface), frame(frameSettings, 0, 0, settings)...)
	data = append(data, frame(frameWindowUpdate, 0, 0, uint32Bytes(maxWindow-65535))...)
	return append(data, frame(frameHeaders, flagEndHeaders, 1, block)...)
}

func (s *stream) write(data []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	_, err := s.conn.Write(data)
	return err
}

// send sends a message; it waits while the server has no room.
func (s *stream) send(message []byte) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	head := append([]byte{0}, uint32Bytes(uint32(len(message)))...)
	for data := message; ; {
		size, err := s.takeRoom(len(head) + len(data))
		if err != nil {
			return err
		}
		// The server has room for 2 GiB and takes frames of 16 MiB: nearly every message is one frame.
		part := append(frameHead(size, frameData, 0, 1, size), head...)
		rest := size - len(head)
		head = nil
		if err := s.write(append(part, data[:rest]...)); err != nil {
			return err
		}
		if data = data[rest:]; len(data) == 0 {
			return nil
		}
	}
}

// closeWrite ends the worker's half.
func (s *stream) closeWrite() {
	s.sending.Lock()
	defer s.sending.Unlock()
	_ = s.write(frame(frameData, flagEndStream, 1, nil))
}

// takeRoom says how much of it may be sent now: at least the five bytes before a message.
func (s *stream) takeRoom(wanted int) (int, error) {
	s.windows.Lock()
	defer s.windows.Unlock()
	for {
		if s.ended {
			return 0, errEnded
		}
		size := int64(wanted)
		for _, limit := range []int64{s.window, s.streamWindow, s.maxFrame} {
			if limit < size {
				size = limit
			}
		}
		if size >= 5 || size == int64(wanted) {
			s.window -= size
			s.streamWindow -= size
			return int(size), nil
		}
		s.room.Wait()
	}
}

// receive calls take with each message until there will be no more; how the stream ended.
func (s *stream) receive(take func([]byte)) (int, string) {
	defer s.over()
	reader := bufio.NewReaderSize(s.conn, 1<<16)
	var head [9]byte
	var partial []byte
	for {
		if _, err := io.ReadFull(reader, head[:]); err != nil {
			return s.status, s.text
		}
		size := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
		payload := make([]byte, size)
		if _, err := io.ReadFull(reader, payload); err != nil {
			return s.status, s.text
		}
		number := binary.BigEndian.Uint32(head[5:])
		if head[3] == frameData {
			s.giveBack(size)
			partial = messages(partial, unpadded(payload, head[4]), take)
		} else if s.control(head[3], head[4], number, payload) {
			return s.status, s.text
		}
	}
}

// messages takes whole messages off the front of what has come; what is left over.
func messages(partial, payload []byte, take func([]byte)) []byte {
	if len(partial) > 0 {
		payload = append(partial, payload...)
	}
	for len(payload) >= 5 {
		end := 5 + int(binary.BigEndian.Uint32(payload[1:]))
		if len(payload) < end {
			break
		}
		take(payload[5:end:end])
		payload = payload[end:]
	}
	return payload
}

func unpadded(payload []byte, flags byte) []byte {
	if flags&flagPadded == 0 || len(payload) == 0 || int(payload[0]) >= len(payload) {
		return payload
	}
	return payload[1 : len(payload)-int(payload[0])]
}

func (s *stream) giveBack(size int) {
	if s.unread += size; s.unread > replenish {
		room := uint32Bytes(uint32(s.unread))
		s.unread = 0
		_ = s.write(append(frame(frameWindowUpdate, 0, 0, room), frame(frameWindowUpdate, 0, 1, room)...))
	}
}

// control takes any frame but DATA; true when the stream has ended.
func (s *stream) control(kind, flags byte, number uint32, payload []byte) bool {
	switch kind {
	case frameSettings:
		if flags&flagAck == 0 {
			s.settings(payload)
			_ = s.write(frame(frameSettings, flagAck, 0, nil))
		}
	case framePing:
		if flags&flagAck == 0 {
			_ = s.write(frame(framePing, flagAck, 0, payload))
		}
	case frameWindowUpdate:
		if len(payload) == 4 {
			s.widen(number, int64(binary.BigEndian.Uint32(payload)&maxWindow))
		}
	case frameHeaders:
		if flags&flagEndStream != 0 {
			s.trailers(unpadded(payload, flags))
			return true
		}
	case frameRst, frameGoaway:
		return true
	}
	return false
}

func (s *stream) settings(payload []byte) {
	for ; len(payload) >= 6; payload = payload[6:] {
		value := int64(binary.BigEndian.Uint32(payload[2:]))
		switch binary.BigEndian.Uint16(payload) {
		case settingInitialWindow:
			s.widen(1, value-s.initial)
			s.initial = value
		case settingMaxFrame:
			s.windows.Lock()
			s.maxFrame = value
			s.windows.Unlock()
		}
	}
}

func (s *stream) widen(number uint32, size int64) {
	s.windows.Lock()
	defer s.windows.Unlock()
	if number == 0 {
		s.window += size
	} else {
		s.streamWindow += size
	}
	s.room.Broadcast()
}

// trailers are written without compression by the server: a 0, then name and value, each with its length.
func (s *stream) trailers(block []byte) {
	take := func() string {
		if len(block) == 0 || int(block[0]) > len(block)-1 {
			block = nil
			return ""
		}
		text := string(block[1 : 1+int(block[0])])
		block = block[1+int(block[0]):]
		return text
	}
	for len(block) > 0 && block[0] == 0 {
		block = block[1:]
		switch name, value := take(), take(); name {
		case "grpc-status":
			s.status, _ = strconv.Atoi(value)
		case "grpc-message":
			if s.text, _ = url.PathUnescape(value); s.text == "" {
				s.text = value
			}
		}
	}
}

func (s *stream) over() {
	s.windows.Lock()
	defer s.windows.Unlock()
	s.ended = true
	s.room.Broadcast()
	s.conn.Close()
}
