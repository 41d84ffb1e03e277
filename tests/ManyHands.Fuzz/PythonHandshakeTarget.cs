using System.Buffers.Binary;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Text;
using ManyHands.Managers;
using ManyHands.Tests.Managers;

namespace ManyHands.Fuzz;

/// <summary>
/// What a peer sends over a connection: its half of the handshake, then frames of pickles. The first byte says which side we are and whether MD5 is allowed. Where the peer must prove that it has the key, 32 bytes of 0xA5
/// stand for the right proof, or no input would ever get further.
/// </summary>
internal sealed class PythonHandshakeTarget : FuzzTarget
{
    private const int LargestFrame = 64 * 1024;
    private static readonly byte[] Key = "secret"u8.ToArray();
    private static readonly byte[] Proof = [.. Enumerable.Repeat((byte)0xA5, 32)];

    public override string Name => "python-handshake";

    public override IReadOnlyList<byte[]> Seeds { get; } =
    [
        .. from side in (byte[])[0, 1, 2, 3] from message in Messages() select (byte[])[side, .. message],
        .. from pickle in HostilePickles.Refused.Values.Concat(HostilePickles.Laughing.Values) let bytes = pickle() where bytes.Length < LargestFrame select (byte[])[0, .. Passing(), .. Frame(bytes)],
    ];

    public override IReadOnlyList<byte[]> Tokens { get; } =
    [
        Frame([]), Frame("#CHALLENGE#"), Frame("#WELCOME#"), Frame("#FAILURE#"), Frame([.. "{sha256}"u8, .. Proof]), Frame([.. "#CHALLENGE#{sha256}"u8, .. new byte[40]]), Frame([.. "#CHALLENGE#"u8, .. new byte[20]]), Proof,
        [0xFF, 0xFF, 0xFF, 0xFF], [0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3], [0, 0, 1, 1], [0x80, 0, 0, 0], "{sha384}"u8.ToArray(), "{md5}"u8.ToArray(), "{"u8.ToArray(), "}"u8.ToArray(), Frame([0x80, 4, (byte)'N', (byte)'.']),
    ];

    public override bool IsRefusal(Exception failure) => failure is PythonProtocolException or AuthenticationException or InvalidPickleException;

    public override void Run(byte[] input)
    {
        if (input.Length == 0)
            return;
        using Peer peer = new(input.AsSpan(1).ToArray());
        PythonFraming framing = new(peer);
        bool allowsMd5 = (input[0] & 1) != 0;
        bool isServer = (input[0] & 2) == 0;
        Complete(isServer ? PythonHandshake.ServeAsync(framing, Key, allowsMd5, default) : PythonHandshake.JoinAsync(framing, Key, allowsMd5, default));
        if (!peer.HasProved)
            throw new InvalidOperationException("A peer was let in that hasn't proved its key.");
        while (true)
        {
            ValueTask<ReadOnlyMemory<byte>?> reading = framing.ReadAsync(LargestFrame);
            if (!reading.IsCompleted)
                throw new InvalidOperationException("Reading from memory waits.");
            if (reading.GetAwaiter().GetResult() is not { } frame)
                return;
            PythonText.Of(PickleReader.Read(frame.Span));
        }
    }

    private static void Complete(Task task)
    {
        if (!task.IsCompleted)
            throw new InvalidOperationException("A handshake over memory waits.");
        task.GetAwaiter().GetResult();
    }

    private static byte[] Frame(string text) => Frame(Encoding.ASCII.GetBytes(text));

    private static byte[] Frame(byte[] payload)
    {
        byte[] frame = new byte[4 + payload.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame, payload.Length);
        payload.CopyTo(frame.AsSpan(4));
        return frame;
    }

    /// <summary>A client's half of a handshake that succeeds.</summary>
    private static byte[] Passing() => [.. Frame([.. "{sha256}"u8, .. Proof]), .. Frame([.. "#CHALLENGE#{sha256}"u8, .. new byte[40]]), .. Frame("#WELCOME#")];

    private static IEnumerable<byte[]> Messages()
    {
        yield return Passing();
        yield return [.. Frame([.. "#CHALLENGE#{sha256}"u8, .. new byte[40]]), .. Frame("#WELCOME#"), .. Frame([.. "{sha256}"u8, .. Proof])];
        yield return [.. Frame([.. "#CHALLENGE#"u8, .. new byte[20]]), .. Frame("#WELCOME#"), .. Frame([.. "{sha256}"u8, .. Proof])];
        yield return [.. Passing(), .. Frame([0x80, 4, (byte)'N', (byte)'.']), .. Frame([])];
        yield return [.. Passing(), .. Passing()];
        foreach (string hex in (string[])["", "00", "000000", "00000000", "ffffffff", "ffffffffffffffffffffffff", "fffffffe", "80000000", "7fffffff", "ffffffff0000000000000003616263", "474554202f20485454502f312e310d0a0d0a", "160301020001000001fc0303"])
        {
            yield return HostilePickles.Bytes(hex);
            yield return [.. Passing(), .. HostilePickles.Bytes(hex)];
        }

        foreach (int length in (int[])[0, 15, 16, 17, 20, 40, 41, 255, 256, 257])
            yield return Frame(new byte[length]);
        foreach (int length in (int[])[0, 15, 16, 19, 20, 245, 246])
            yield return [.. Frame([.. "{sha256}"u8, .. Proof]), .. Frame([.. "#CHALLENGE#"u8, .. new byte[length]])];
        foreach (string answer in (string[])["{md5}1234567890123456", "{sha256}1234567890123456789012345678901", "{sha512}", "{}", "{", "#WELCOME#", "#CHALLENGE#{sha1}1234567890123456789012345678901234567890"])
            yield return Frame(answer);
    }

    /// <summary>The other end of the connection: gives the input, and takes what is sent to it.</summary>
    private sealed class Peer(byte[] input) : MemoryStream
    {
        private int position;
        private byte[] challenge = [];

        /// <summary>Whether the right proof was among what it gave.</summary>
        public bool HasProved { get; private set; }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (buffer.Span[4..].StartsWith("#CHALLENGE#"u8))
                challenge = buffer[(4 + "#CHALLENGE#".Length)..].ToArray();
            return default;
        }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            // A frame at a time, so that the proof is asked for before it is given.
            ReadOnlySpan<byte> rest = input.AsSpan(position);
            int count = rest.Length >= 4 && BinaryPrimitives.ReadInt32BigEndian(rest) is >= 0 and var length && length <= rest.Length - 4 ? 4 + length : rest.Length;
            count = Math.Min(count, buffer.Length);
            rest[..count].CopyTo(buffer.Span);
            position += count;
            int proof = challenge.Length == 0 ? -1 : buffer.Span[..count].IndexOf(Proof);
            if (proof >= 0)
            {
                HMACSHA256.HashData(Key, challenge, buffer.Span[proof..]);
                HasProved = true;
            }

            return new(count);
        }
    }
}
