//! An assembler that writes a program from its end.
//!
//! Jumps of BPF only go forward, so whoever writes backwards knows every target already.

use std::collections::BTreeMap;

use libc::sock_filter;

/// The farthest target of a conditional jump, in instructions: the distance is one byte.
const FARTHEST: usize = u8::MAX as usize;

/// A place in the program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Its distance from the program's end.
    from_end: usize,
}

/// A program's later part.
#[derive(Default)]
pub(crate) struct Assembler {
    /// Its instructions, the last one first.
    reversed: Vec<sock_filter>,
    /// The instructions that end the program, by what they return.
    returns: BTreeMap<u32, Place>,
}

impl Assembler {
    /// Writes the end of the program with this answer, unless there is one already.
    pub(crate) fn answer(&mut self, returned: u32) -> Place {
        if let Some(place) = self.returns.get(&returned) {
            return *place;
        }
        let place = self.write(libc::BPF_RET | libc::BPF_K, 0, 0, returned);
        self.returns.insert(returned, place);
        place
    }

    /// Writes a load of the four bytes at an offset of the kernel's `struct seccomp_data`.
    pub(crate) fn load(&mut self, offset: u32, then: Place) -> Place {
        if self.distance(then) > 0 {
            self.jump(then);
        }
        let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
        self.write(load, 0, 0, offset)
    }

    /// Writes a test of what was loaded last: `test` is one of the kernel's, such as `BPF_JEQ`.
    pub(crate) fn test(&mut self, test: u32, value: u32, yes: Place, no: Place) -> Place {
        // The other target may need an instruction in between.
        let no = self.near(no, FARTHEST - 1);
        let yes = self.near(yes, FARTHEST);
        let (yes, no) = (self.distance(yes), self.distance(no));
        let byte = |distance: usize| u8::try_from(distance).unwrap_or(u8::MAX);
        let test = libc::BPF_JMP | libc::BPF_K | test;
        self.write(test, byte(yes), byte(no), value)
    }

    /// Returns the program that begins at the instruction written last.
    pub(crate) fn finish(mut self) -> Vec<sock_filter> {
        self.reversed.reverse();
        self.reversed
    }

    /// Returns the place, or one within reach that only leads there.
    fn near(&mut self, place: Place, reach: usize) -> Place {
        if self.distance(place) > reach {
            self.jump(place)
        } else {
            place
        }
    }

    fn jump(&mut self, to: Place) -> Place {
        let distance = u32::try_from(self.distance(to)).unwrap_or(u32::MAX);
        self.write(libc::BPF_JMP | libc::BPF_JA, 0, 0, distance)
    }

    /// Returns the number of instructions between the next one and the place.
    fn distance(&self, place: Place) -> usize {
        self.reversed.len() - 1 - place.from_end
    }

    fn write(&mut self, code: u32, jt: u8, jf: u8, k: u32) -> Place {
        let code = u16::try_from(code).unwrap_or(u16::MAX);
        let from_end = self.reversed.len();
        self.reversed.push(sock_filter { code, jt, jf, k });
        Place { from_end }
    }
}
