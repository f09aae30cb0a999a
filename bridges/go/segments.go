package snakepit

import (
	"fmt"
	"os"
	"sync"
	"syscall"
)

const (
	smallestSegment = 1 << 16
	segmentStep     = 4 << 20 // by which sizes of large segments differ
	mostFree        = 64
)

// segment is a file in shared memory that holds a long answer, so that nobody copies it on its way.
type segment struct {
	file *os.File
	ref  reference // its length is that of the payload
	size uint64
}

// segments are those of one stream to the server.
type segments struct {
	lock   sync.Mutex
	prefix string // empty: all answers are sent as bytes
	room   uint64
	above  uint64
	last   int
	held   uint64 // bytes of all segments
	free   []*segment
	lent   map[string]*segment
}

func newSegments(from welcome) *segments {
	s := &segments{room: from.segmentBytes, above: from.referenceAbove, lent: map[string]*segment{}}
	if from.segments != "" {
		s.prefix = from.segments + "/" + from.segmentName
	}
	return s
}

// put writes a payload and lends it; nil when it is to be sent as bytes.
func (s *segments) put(payload []byte) *reference {
	s.lock.Lock()
	defer s.lock.Unlock()
	size := uint64(len(payload))
	if s.prefix == "" || size < s.above {
		return nil
	}
	found := s.get(size)
	if found == nil {
		return nil
	}
	// Its room is not reserved: it is not mapped, so shared memory that is full is an error here.
	if _, err := found.file.WriteAt(payload, 0); err != nil {
		s.drop(found)
		return nil
	}
	s.lent[found.ref.path] = found
	lent := found.ref
	lent.length = size
	return &lent
}

// released takes back segments that nobody reads any more.
func (s *segments) released(paths []string) {
	s.lock.Lock()
	defer s.lock.Unlock()
	for _, path := range paths {
		if found := s.lent[path]; found != nil {
			delete(s.lent, path)
			s.free = append(s.free, found)
		}
	}
	for len(s.free) > mostFree {
		s.dropFirst()
	}
}

// lost closes all of them when the stream has ended: the server removes the files.
func (s *segments) lost() {
	s.lock.Lock()
	defer s.lock.Unlock()
	for _, one := range s.lent {
		s.free = append(s.free, one)
	}
	for _, one := range s.free {
		one.file.Close()
	}
	s.prefix, s.free, s.lent = "", nil, nil
}

func (s *segments) get(size uint64) *segment {
	best := -1
	for at, one := range s.free {
		// Not one that is much larger: a later payload may need that.
		fits := one.size >= size && (one.size <= 4*size || one.size <= 4*smallestSegment)
		if fits && (best < 0 || one.size < s.free[best].size) {
			best = at
		}
	}
	if best >= 0 {
		found := s.free[best]
		s.free = append(s.free[:best], s.free[best+1:]...)
		return found
	}
	rounded := roundedUp(size)
	for s.held+rounded > s.room && len(s.free) > 0 {
		s.dropFirst()
	}
	if s.held+rounded > s.room {
		return nil
	}
	s.last++
	made, err := newSegment(fmt.Sprintf("%s%d", s.prefix, s.last), rounded)
	if err != nil {
		return nil
	}
	s.held += rounded
	return made
}

func (s *segments) dropFirst() {
	first := s.free[0]
	s.free = s.free[1:]
	s.drop(first)
}

func (s *segments) drop(one *segment) {
	s.held -= one.size
	_ = os.Remove(one.ref.path)
	one.file.Close()
}

func newSegment(path string, size uint64) (*segment, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	found, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, err
	}
	device, inode := identity(found)
	return &segment{file, reference{path: path, device: device, inode: inode}, size}, nil
}

// roundedUp is a size that serves many payloads.
func roundedUp(size uint64) uint64 {
	if size > segmentStep {
		return (size + segmentStep - 1) / segmentStep * segmentStep
	}
	rounded := uint64(smallestSegment)
	for rounded < size {
		rounded *= 2
	}
	return rounded
}

// journal is a file for answers that are not sent yet; nil when there is no room for one.
func (s *segments) journal() *journal {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.prefix == "" || s.held+journalBytes > s.room {
		return nil
	}
	flags := os.O_RDWR | os.O_CREATE | os.O_TRUNC | syscall.O_NOFOLLOW
	file, err := os.OpenFile(s.prefix+"journal", flags, 0o600)
	if err != nil {
		return nil
	}
	s.held += journalBytes
	return &journal{file: file}
}
