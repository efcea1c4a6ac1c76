package identify

import "encoding/binary"

// smb1 tells whether a server still speaks the first SMB: it is offered its last
// dialect, and nothing else ([MS-CIFS] 2.2.4.52). Signing is then what that says.
func (a *asking) smb1() (signing, spoken bool) {
	const dialect = "\x02NT LM 0.12\x00"
	h := make([]byte, 32)
	copy(h, "\xffSMB\x72")
	h[9], h[10], h[11] = 0x18, 0x01, 0xc8 // paths without case; long names, statuses of NT, Unicode
	body := append(append(h, 0), binary.LittleEndian.AppendUint16(nil, uint16(len(dialect)))...)
	body = append(body, dialect...)
	b := a.exchange(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...), wholeSMB)
	return decodeSMB1(b)
}

// decodeSMB1 reads the answer: that the one dialect that was offered is agreed on.
func decodeSMB1(b []byte) (signing, spoken bool) {
	const words = 4 + 32
	if len(b) < words+4 || string(b[4:9]) != "\xffSMB\x72" || b[13]&0x80 == 0 || binary.LittleEndian.Uint32(b[9:]) != 0 || b[words] < 13 || binary.LittleEndian.Uint16(b[words+1:]) != 0 {
		return false, false
	}
	return b[words+3]&8 != 0, true
}
