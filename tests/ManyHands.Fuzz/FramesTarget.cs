using System.Buffers.Binary;
using ManyHands.Managers;

namespace ManyHands.Fuzz;

/// <summary>
/// Streams as they are cut into messages, by managers and by Python's framing, whatever the pieces are that they arrive in. The first byte says which, the second what pieces. What comes out is held against the plain reading of the
/// whole.
/// </summary>
internal sealed class FramesTarget : FuzzTarget
{
    private const int Largest = 4096;

    public override string Name => "frames";

    public override IReadOnlyList<byte[]> Seeds { get; } =
    [
        [], [0, 0], [1, 0],
        .. from pieces in (byte[])[0, 1, 7, 255] from stream in Streams() from reader in (byte[])[0, 1] select (byte[])[reader, pieces, .. stream],
    ];

    public override IReadOnlyList<byte[]> Tokens { get; } =
    [
        [1, 0, 0, 0, 7], [0, 0, 0, 1, 7], [0, 0, 0, 0], [0xFF, 0xFF, 0xFF, 0xFF], [0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2], [0xFF, 0xFF, 0xFF, 0x7F], [0x7F, 0xFF, 0xFF, 0xFF], [0, 0x10, 0, 0], [0, 0, 0x10, 0], [1, 0x10, 0, 0],
        new byte[Largest], [0xFF, 0xFF, 0xFF, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0],
    ];

    public override bool IsRefusal(Exception failure) => failure is InvalidDataException or PythonProtocolException;

    public override void Run(byte[] input)
    {
        if (input.Length < 2)
            return;
        bool isPython = (input[0] & 1) != 0;
        byte[] stream = input[2..];
        List<byte[]> expected = Plain(stream, isPython, out bool isRefused);
        List<byte[]> cut = [];
        Exception? refusal = null;
        try
        {
            if (isPython)
                CutPython(stream, input[1], cut);
            else
                Cut(stream, input[1], cut);
        }
        catch (Exception failure) when (IsRefusal(failure))
        {
            refusal = failure;
        }

        if (cut.Count != expected.Count || !cut.Zip(expected).All(static pair => pair.First.AsSpan().SequenceEqual(pair.Second)))
            throw new InvalidOperationException($"{expected.Count} messages are in the stream, and {cut.Count} came out, or others.");
        if (isRefused != refusal is not null)
            throw new InvalidOperationException(isRefused ? "What is wrong was not refused." : $"What is right was refused: {refusal!.Message}");
        if (refusal is not null)
            throw refusal;
    }

    private static void Cut(byte[] stream, byte pieces, List<byte[]> cut)
    {
        using FrameBuffer buffer = new(Largest);
        int place = 0;
        for (int turn = 0; place < stream.Length; turn++)
        {
            int count = Math.Min(Math.Min(Piece(pieces, turn), buffer.Free.Length), stream.Length - place);
            stream.AsSpan(place, count).CopyTo(buffer.Free.Span);
            buffer.Added(count);
            place += count;
            while (buffer.TryTake(out ReadOnlyMemory<byte> message))
                cut.Add(message.ToArray());
        }
    }

    private static void CutPython(byte[] stream, byte pieces, List<byte[]> cut)
    {
        using InPieces source = new(stream, pieces);
        PythonFraming framing = new(source);
        while (true)
        {
            ValueTask<ReadOnlyMemory<byte>?> reading = framing.ReadAsync(Largest);
            if (!reading.IsCompleted)
                throw new InvalidOperationException("Reading from memory waits.");
            if (reading.GetAwaiter().GetResult() is not { } frame)
                return;
            cut.Add(frame.ToArray());
        }
    }

    private static int Piece(byte pieces, int turn) => pieces == 255 ? int.MaxValue : 1 + (pieces * (turn + 1) % 61);

    // What is cut off at the end is nothing yet for a manager, and an error for Python.
    private static List<byte[]> Plain(ReadOnlySpan<byte> stream, bool isPython, out bool isRefused)
    {
        List<byte[]> messages = [];
        isRefused = false;
        while (!stream.IsEmpty)
        {
            if (stream.Length < 4)
            {
                isRefused = isPython;
                break;
            }

            long length = isPython ? BinaryPrimitives.ReadInt32BigEndian(stream) : BinaryPrimitives.ReadUInt32LittleEndian(stream);
            int head = 4;
            if (isPython && length == -1)
            {
                if (stream.Length < 12)
                {
                    isRefused = true;
                    break;
                }

                length = BinaryPrimitives.ReadInt64BigEndian(stream[4..]);
                head = 12;
            }

            if (length > Largest || length < (isPython ? 0 : 1))
            {
                isRefused = true;
                break;
            }

            if (stream.Length - head < length)
            {
                isRefused = isPython;
                break;
            }

            messages.Add(stream.Slice(head, (int)length).ToArray());
            stream = stream[(head + (int)length)..];
        }

        return messages;
    }

    private static IEnumerable<byte[]> Streams()
    {
        yield return [3, 0, 0, 0, 1, 2, 3, 1, 0, 0, 0, 4];
        yield return [0, 0, 0, 3, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 1, 4];
        yield return [0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3, 0, 0, 0, 1, 4];
        yield return [0, 0x10, 0, 0, .. new byte[Largest], 1, 0, 0, 0, 4];
        yield return [0, 0, 0x10, 0, .. new byte[Largest], 0, 0, 0, 1, 4];
        yield return [.. Enumerable.Repeat((byte[])[1, 0, 0, 0, 9], 200).SelectMany(static bytes => bytes)];
        yield return [.. Enumerable.Repeat((byte[])[0, 0, 0, 1, 9], 200).SelectMany(static bytes => bytes)];
    }

    private sealed class InPieces(byte[] bytes, byte pieces) : MemoryStream
    {
        private int place;
        private int turn;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            int count = Math.Min(Math.Min(Piece(pieces, turn++), buffer.Length), bytes.Length - place);
            bytes.AsMemory(place, count).CopyTo(buffer);
            place += count;
            return new(count);
        }
    }
}
