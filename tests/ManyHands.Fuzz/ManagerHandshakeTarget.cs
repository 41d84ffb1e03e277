using System.Security.Authentication;
using ManyHands.Managers;

namespace ManyHands.Fuzz;

/// <summary>
/// What a peer sends in the handshake of managers and their clients. The first byte says which side we are. Where the peer must prove that it has the key, 32 bytes of 0xA5 stand for the right proof, or no input would ever get further.
/// </summary>
internal sealed class ManagerHandshakeTarget : FuzzTarget
{
    private static readonly ManagerKey Key = ManagerKey.FromText("the key of the fuzz target");
    private static readonly byte[] Proof = [.. Enumerable.Repeat((byte)0xA5, Handshake.ProofSize)];
    private static readonly byte[] Binding = new byte[32];

    public override string Name => "manager-handshake";

    public override IReadOnlyList<byte[]> Seeds { get; } =
    [
        [], [0], [1],
        [0, .. Handshake.Magic, .. new byte[32], .. Proof, 4, .. "name"u8],
        [0, .. Handshake.Magic, .. new byte[32], .. Proof, 0],
        [0, .. Handshake.Magic, .. new byte[32], .. Proof, 255, .. new byte[255]],
        [0, .. Handshake.Magic, .. new byte[32], .. Proof, 3, 0xFF, 0x1B, 0x00],
        [0, .. Handshake.Magic, .. new byte[32], .. new byte[32], 4, .. "name"u8],
        [0, .. "MHM2"u8, .. new byte[32], .. Proof, 4, .. "name"u8],
        [0, .. "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"u8],
        [0, 0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3],
        [1, .. Handshake.Magic, .. new byte[32], .. Proof, Handshake.Welcome],
        [1, .. Handshake.Magic, .. new byte[32], .. Proof, 0],
        [1, .. Handshake.Magic, .. new byte[32], .. new byte[32], Handshake.Welcome],
    ];

    public override IReadOnlyList<byte[]> Tokens { get; } = [Handshake.Magic.ToArray(), Proof, new byte[32], [Handshake.Welcome], [200], [201]];

    public override bool IsRefusal(Exception failure) => failure is ManagerException or EndOfStreamException or AuthenticationException;

    public override void Run(byte[] input)
    {
        if (input.Length == 0)
            return;
        bool isServer = (input[0] & 1) == 0;
        Peer peer = new(input.AsMemory(1), isServer);
        if (!isServer)
        {
            Completed(Handshake.AsClientAsync(peer.Give, peer.Take, Key, Binding, "fuzzed"));
            if (!peer.HasProved)
                throw new InvalidOperationException("A manager was believed that hasn't proved its key.");
            return;
        }

        Task<string?> serving = Handshake.AsServerAsync(peer.Give, peer.Take, Key, Binding);
        Completed(serving);
        if (serving.Result is not { } name)
        {
            if (peer.HasProved && !peer.IsTooLong)
                throw new InvalidOperationException("A client was refused that has proved its key.");
            return;
        }

        if (!peer.HasProved)
            throw new InvalidOperationException("A client was let in that hasn't proved its key.");
        if (name.Length > Handshake.LongestName || name.Any(char.IsControl))
            throw new InvalidOperationException($"A client may call itself {name}.");
    }

    private static void Completed(Task task)
    {
        if (!task.IsCompleted)
            throw new InvalidOperationException("A handshake over memory waits.");
        task.GetAwaiter().GetResult();
    }

    /// <summary>The other end: gives the input, and notes what is sent to it, to be able to prove the key.</summary>
    private sealed class Peer(ReadOnlyMemory<byte> input, bool isClient)
    {
        private readonly List<byte> heard = [];
        private readonly List<byte> said = [];
        private ReadOnlyMemory<byte> rest = input;

        public bool HasProved { get; private set; }

        /// <summary>The name that came after the proof is longer than allowed.</summary>
        public bool IsTooLong { get; private set; }

        public ValueTask Give(Memory<byte> target)
        {
            if (rest.Length < target.Length)
                throw new EndOfStreamException();
            Span<byte> given = target.Span;
            rest.Span[..given.Length].CopyTo(given);
            rest = rest[given.Length..];

            // The proofs stand at fixed places: the client's at the beginning of its last message, the server's after its random bytes.
            int place = isClient ? 0 : Handshake.HelloSize;
            if (given.Length >= place + Handshake.ProofSize && said.Count == (isClient ? Handshake.HelloSize : 0) && given.Slice(place, Handshake.ProofSize).SequenceEqual(Proof))
                Prove(given, place);
            said.AddRange(given);
            return default;
        }

        public ValueTask Take(ReadOnlyMemory<byte> bytes)
        {
            heard.AddRange(bytes.Span);
            return default;
        }

        private void Prove(Span<byte> given, int place)
        {
            // What the server hears and says is the same that the client says and hears.
            byte[] client = [.. (isClient ? said : heard).Skip(Handshake.Magic.Length).Take(Handshake.NonceSize)];
            byte[] server = isClient ? [.. heard.Skip(Handshake.Magic.Length).Take(Handshake.NonceSize)] : given.Slice(Handshake.Magic.Length, Handshake.NonceSize).ToArray();
            Handshake.Prove(Key, isServer: !isClient, client, server, Binding, given[place..(place + Handshake.ProofSize)]);
            HasProved = true;
            IsTooLong = isClient && given[^1] > Handshake.LongestName;
        }
    }
}
