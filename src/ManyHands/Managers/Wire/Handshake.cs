using System.Security.Cryptography;
using System.Text;

namespace ManyHands.Managers;

/// <summary>
/// What both sides say before anything else, to show that they have the key without telling it. The client begins, the server proves itself first, so that no client answers to a stranger.
/// </summary>
/// <remarks>
/// <code>
/// client  "MHM1", 32 random bytes C                                      36 bytes
/// server  "MHM1", 32 random bytes S, HMAC(key, server, C, S, T)          68 bytes
/// client  HMAC(key, client, C, S, T), length of its name (1), its name   33 bytes and up to 200
/// server  1                                                              1 byte
/// </code>
/// HMAC is HMAC-SHA-256 over the protocol's and the side's name and what follows; T is the SHA-256 of the server's certificate, as each side sees it, or 32 zeros without TLS: who stands between the two has another. The
/// names of the sides keep either from handing the other's answer back. A peer that fails is told nothing.
/// </remarks>
internal static class Handshake
{
    public const int NonceSize = 32;
    public const int ProofSize = 32;
    public const int HelloSize = 4 + NonceSize;
    public const int ServerHelloSize = HelloSize + ProofSize;
    public const int LongestName = 200;
    public const byte Welcome = 1;

    public static ReadOnlySpan<byte> Magic => "MHM1"u8;

    /// <summary>What each side signs with.</summary>
    public static void Prove(ManagerKey key, bool isServer, ReadOnlySpan<byte> clientNonce, ReadOnlySpan<byte> serverNonce, ReadOnlySpan<byte> binding, Span<byte> proof)
    {
        using IncrementalHash hash = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key.Span);
        hash.AppendData("ManyHands manager protocol 1, "u8);
        hash.AppendData(isServer ? "server\0"u8 : "client\0"u8);
        hash.AppendData(clientNonce);
        hash.AppendData(serverNonce);
        hash.AppendData(binding);
        hash.GetHashAndReset(proof);
    }

    /// <summary>The client's part.</summary>
    /// <exception cref="ManagerException">The other side hasn't got the key, or is no manager.</exception>
    public static async Task AsClientAsync(Func<Memory<byte>, ValueTask> receive, Func<ReadOnlyMemory<byte>, ValueTask> send, ManagerKey key, ReadOnlyMemory<byte> binding, string name)
    {
        byte[] hello = new byte[HelloSize];
        Magic.CopyTo(hello);
        RandomNumberGenerator.Fill(hello.AsSpan(Magic.Length));
        await send(hello).ConfigureAwait(false);

        byte[] answer = new byte[ServerHelloSize];
        await receive(answer).ConfigureAwait(false);
        byte[] proof = new byte[ProofSize];
        Prove(key, isServer: true, hello.AsSpan(Magic.Length), answer.AsSpan(Magic.Length, NonceSize), binding.Span, proof);
        if (!answer.AsSpan(0, Magic.Length).SequenceEqual(Magic))
            throw new ManagerException(ManagerError.WrongKey, "What answers there is no manager of this protocol. Is it another program's port, or the one for Python clients, or is TLS on at one side only?");
        if (!CryptographicOperations.FixedTimeEquals(proof, answer.AsSpan(HelloSize)))
            throw new ManagerException(ManagerError.WrongKey, "The manager has another key than this client, or the connection doesn't end where its certificate says. Give both the same ManagerKey.");

        byte[] text = Encoding.UTF8.GetBytes(name);
        int length = Math.Min(text.Length, LongestName);
        byte[] last = new byte[ProofSize + 1 + length];
        Prove(key, isServer: false, hello.AsSpan(Magic.Length), answer.AsSpan(Magic.Length, NonceSize), binding.Span, last);
        last[ProofSize] = (byte)length;
        text.AsSpan(0, length).CopyTo(last.AsSpan(ProofSize + 1));
        await send(last).ConfigureAwait(false);

        byte[] welcome = new byte[1];
        await receive(welcome).ConfigureAwait(false);
        if (welcome[0] != Welcome)
            throw new ManagerException(ManagerError.WrongKey, $"The manager's last word was {welcome[0]} and not welcome; it speaks another version of the protocol.");
    }

    /// <summary>The server's part, but for the welcome.</summary>
    /// <returns>What the client calls itself; null if it hasn't got the key or is no client, and is to be told nothing.</returns>
    public static async Task<string?> AsServerAsync(Func<Memory<byte>, ValueTask> receive, Func<ReadOnlyMemory<byte>, ValueTask> send, ManagerKey key, ReadOnlyMemory<byte> binding)
    {
        byte[] hello = new byte[HelloSize];

        // By its first bytes already a stranger is known, who may send no more.
        await receive(hello.AsMemory(0, Magic.Length)).ConfigureAwait(false);
        if (!hello.AsSpan(0, Magic.Length).SequenceEqual(Magic))
            return null;
        await receive(hello.AsMemory(Magic.Length)).ConfigureAwait(false);

        byte[] answer = new byte[ServerHelloSize];
        Magic.CopyTo(answer);
        RandomNumberGenerator.Fill(answer.AsSpan(Magic.Length, NonceSize));
        Prove(key, isServer: true, hello.AsSpan(Magic.Length), answer.AsSpan(Magic.Length, NonceSize), binding.Span, answer.AsSpan(HelloSize));
        await send(answer).ConfigureAwait(false);

        byte[] proof = new byte[ProofSize];
        Prove(key, isServer: false, hello.AsSpan(Magic.Length), answer.AsSpan(Magic.Length, NonceSize), binding.Span, proof);
        byte[] last = new byte[ProofSize + 1];
        await receive(last).ConfigureAwait(false);
        if (!CryptographicOperations.FixedTimeEquals(proof, last.AsSpan(0, ProofSize)) || last[ProofSize] > LongestName)
            return null;
        byte[] text = new byte[last[ProofSize]];
        await receive(text).ConfigureAwait(false);

        // It is shown in logs and consoles.
        return string.Concat(Encoding.UTF8.GetString(text).Select(character => char.IsControl(character) ? '?' : character));
    }
}
