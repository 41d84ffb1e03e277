using System.Diagnostics;
using ManyHands.Platform;

namespace ManyHands.Queues;

/// <content>The circle of chunks that messages stand in: positions, room, growth, and bytes across the ends of chunks.</content>
internal sealed unsafe partial class MessageLane
{
    private const int MostChunksAhead = 64;

    /// <summary>4 MiB: what fits into a cache that cores share.</summary>
    private const int ChunksWithoutPatience = 64;
    private static readonly long LongestPatience = Stopwatch.Frequency / 3000;

    /// <summary>The number of the next chunk in the circle comes first in each.</summary>
    private const int ChunkHeader = 8;

    private readonly Spinning patience = new();
    private uint knownChunks;
    private ulong takenBefore;

    private static int Aligned(int length) => (length + 7) & ~7;

    private byte* Chunk(uint number) => block.Body + ControlSize + ((long)number * ChunkSize);

    private Position Unpack(ulong packed)
    {
        Position position = new((uint)(packed >> 32), (uint)packed);
        CheckChunk(position.Chunk);
        if (position.Offset is < ChunkHeader or > ChunkSize || (position.Offset & 7) != 0)
            throw Damaged($"a position is byte {position.Offset} of a chunk");
        return position;
    }

    private void CheckChunk(uint chunk)
    {
        if (chunk < knownChunks)
            return;
        knownChunks = (uint)((block.CurrentSize - ControlSize) / ChunkSize);
        ObjectDisposedException.ThrowIf(block.IsReleased, typeof(MessageLane));
        if (chunk >= knownChunks)
            throw Damaged($"chunk {chunk} is named, and there are {knownChunks}");
    }

    private static CorruptSharedMemoryException Damaged(string how) => new($"The shared queue is damaged: {how}. Another process has written over it; make a new one.");

    private uint Next(uint chunk)
    {
        uint next = Volatile.Read(ref *(uint*)Chunk(chunk));
        CheckChunk(next);
        return next;
    }

    // Looks at the circle only where the message doesn't end in the tail's own chunk.
    private bool HasRoom(Position tail, long size)
    {
        long here = ChunkSize - tail.Offset;
        if (size <= here)
            return true;
        uint last;
        long missing;
        uint head;
        do
        {
            missing = (size - here + ChunkSize - ChunkHeader - 1) / (ChunkSize - ChunkHeader);
            head = Unpack(Volatile.Read(ref control->Done)).Chunk;
            last = tail.Chunk;
            uint steps = 0;
            while (missing > 0 && Next(last) is var next && next != head)
            {
                if (++steps > knownChunks)
                    throw Damaged("its chunks form no circle");
                last = next;
                missing--;
            }

            if (missing == 0)
                return true;
        }
        while (control->Chunks >= ChunksWithoutPatience && IsReadOnSoon(head));

        // Capacity counts messages; what they need to be there is had as long as the machine has it.
        if (control->Chunks + missing > LargestChunks)
            return false;
        for (; missing > 0; missing--)
        {
            uint added = NewChunk();
            *(uint*)Chunk(added) = Next(last);
            Volatile.Write(ref *(uint*)Chunk(last), added);
            last = added;
        }

        return true;
    }

    // Readers that are at it make room sooner than the system makes memory, and in memory that is in the caches. Where nobody has read since last time, or it didn't help, the queue grows at once.
    private bool IsReadOnSoon(uint head)
    {
        ulong taken = Volatile.Read(ref control->Taken);
        if (taken == takenBefore || !patience.IsWorthwhile)
            return false;
        takenBefore = taken;
        long deadline = Stopwatch.GetTimestamp() + LongestPatience;
        while (Stopwatch.GetTimestamp() < deadline)
        {
            // Seldom, as each look takes the reader's line away from it; and there may be more to do than there are cores.
            Thread.SpinWait(800);
            Thread.Yield();
            if (Unpack(Volatile.Read(ref control->Done)).Chunk == head)
                continue;
            patience.Succeeded();
            return true;
        }

        patience.Failed();
        return false;
    }

    // There is memory before there is a number: who is killed between the two leaves nothing but room for the next one.
    private uint NewChunk()
    {
        while (true)
        {
            uint number = Volatile.Read(ref control->Chunks);
            if (number >= LargestChunks)
                throw new IOException($"The queue takes {SizeOf(number):N0} bytes, and may not take more than {block.BodySize:N0}. Give it a larger maximumSize.");
            if (number >= knownChunks)
                MakeRoomFor(number);
            CheckChunk(number);
            if (Interlocked.CompareExchange(ref control->Chunks, number + 1, number) == number)
                return number;
        }
    }

    // In larger steps the larger it is, as each costs several system calls; where memory is short, one chunk has to do.
    private void MakeRoomFor(uint number)
    {
        long ahead = Math.Min(LargestChunks, number + 1L + Math.Min(number / 4, MostChunksAhead));
        try
        {
            block.Grow(SizeOf(ahead));
        }
        catch (IOException) when (ahead > number + 1L)
        {
            block.Grow(SizeOf(number + 1L));
        }
    }

    private long ReadHeader(ref Position at)
    {
        long length = 0;
        Read(ref at, new Span<byte>(&length, MessageHeader));
        return length >= 0 && length <= LargestMessage ? length : throw Damaged($"a message of {length:N0} bytes");
    }

    private void Write(ref Position at, ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            Span<byte> piece = Piece(ref at, bytes.Length);
            bytes[..piece.Length].CopyTo(piece);
            bytes = bytes[piece.Length..];
        }
    }

    private void Read(ref Position at, Span<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            Span<byte> piece = Piece(ref at, bytes.Length);
            piece.CopyTo(bytes);
            bytes = bytes[piece.Length..];
        }
    }

    private void Skip(ref Position at, int count)
    {
        if (count > 0)
            _ = Piece(ref at, count);
    }

    // What is left of the chunk, or the next one. Padding never crosses a chunk, as chunks and messages begin at multiples of 8.
    private Span<byte> Piece(ref Position at, int most)
    {
        if (at.Offset == ChunkSize)
            at = new(Next(at.Chunk), ChunkHeader);
        int length = (int)Math.Min(most, ChunkSize - at.Offset);
        Span<byte> piece = new(Chunk(at.Chunk) + at.Offset, length);
        at = at with { Offset = at.Offset + (uint)length };
        return piece;
    }

    private readonly record struct Position(uint Chunk, uint Offset)
    {
        public ulong Packed => ((ulong)Chunk << 32) | Offset;
    }
}
