using System.Security.Authentication;
using System.Security.Cryptography;

namespace ManyHands.Managers;

/// <summary>
/// How Python's connections prove that both sides have the key: each answers the other's random challenge with a MAC of it. The server's side first has the client prove itself, and only then answers.
/// </summary>
/// <remarks>
/// Two dialects. From Python 3.12: <c>{sha256}</c> before challenge and answer. Before: twenty random bytes and a bare HMAC-MD5. What comes after the handshake is neither encrypted nor authenticated.
/// </remarks>
internal static class PythonHandshake
{
    /// <summary>The most bytes of a frame before the peer has proved itself.</summary>
    public const int LargestFrame = 256;

    private const int RandomLength = 40;

    /// <summary>Serves a client. The token is the deadline of all of it.</summary>
    /// <param name="key">Not empty.</param>
    /// <param name="allowsMd5">Whether clients before Python 3.12 may join, whose proof is an HMAC-MD5.</param>
    /// <exception cref="AuthenticationException">The client has another key, or speaks a dialect that isn't allowed. It was told so, and nothing else.</exception>
    /// <exception cref="PythonProtocolException">It is no such client, or went away.</exception>
    public static async Task ServeAsync(PythonFraming framing, ReadOnlyMemory<byte> key, bool allowsMd5, CancellationToken token)
    {
        ThrowIfEmpty(key);
        byte[] challenge = await ChallengeAsync(framing, key, allowsMd5, token).ConfigureAwait(false);
        ReadOnlyMemory<byte> theirs = await ReadChallengeAsync(framing, token).ConfigureAwait(false);
        if (theirs.Span.SequenceEqual(challenge))
            throw new AuthenticationException("The client sent our own challenge back.");
        await AnswerAsync(framing, key, theirs, allowsMd5, token).ConfigureAwait(false);
    }

    /// <summary>Joins a server. The token is the deadline of all of it.</summary>
    /// <param name="allowsMd5">Whether servers before Python 3.12 may be joined. The answer to such a one is an HMAC-MD5, which whoever took the server's place can try keys on, as many as it has time for.</param>
    /// <exception cref="AuthenticationException">The server has another key, or speaks a dialect that isn't allowed.</exception>
    /// <exception cref="PythonProtocolException">It is no such server, or went away.</exception>
    public static async Task JoinAsync(PythonFraming framing, ReadOnlyMemory<byte> key, bool allowsMd5, CancellationToken token)
    {
        ThrowIfEmpty(key);
        ReadOnlyMemory<byte> theirs = await ReadChallengeAsync(framing, token).ConfigureAwait(false);
        bool isOld = IsOld(theirs.Span);
        await AnswerAsync(framing, key, theirs, allowsMd5, token).ConfigureAwait(false);

        // A server that asked in the new dialect has no reason to answer in the old.
        await ChallengeAsync(framing, key, allowsMd5 && isOld, token).ConfigureAwait(false);
    }

    /// <summary>Sends a challenge and judges the answer; returns the challenge.</summary>
    private static async Task<byte[]> ChallengeAsync(PythonFraming framing, ReadOnlyMemory<byte> key, bool allowsMd5, CancellationToken token)
    {
        byte[] challenge = [.. "{sha256}"u8, .. RandomNumberGenerator.GetBytes(RandomLength)];
        await framing.WriteAsync((byte[])[.. "#CHALLENGE#"u8, .. challenge], token).ConfigureAwait(false);
        ReadOnlyMemory<byte> answer = await ReadAsync(framing, token).ConfigureAwait(false);
        if (IsRight(key.Span, challenge, answer.Span, allowsMd5))
        {
            await framing.WriteAsync("#WELCOME#"u8.ToArray(), token).ConfigureAwait(false);
            return challenge;
        }

        bool isOld = !allowsMd5 && answer.Length == 16;
        await framing.WriteAsync("#FAILURE#"u8.ToArray(), token).ConfigureAwait(false);
        throw new AuthenticationException(isOld
            ? "The peer proved its key with an HMAC-MD5, as Python before 3.12 does, and that is not allowed here."
            : "The peer has another key.");
    }

    /// <summary>Answers a challenge and waits to be welcome.</summary>
    private static async Task AnswerAsync(PythonFraming framing, ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> challenge, bool allowsMd5, CancellationToken token)
    {
        byte[] answer;
        if (IsOld(challenge.Span))
        {
            if (!allowsMd5)
                throw new AuthenticationException("The peer asks for an HMAC-MD5, as Python before 3.12 does, and that is not allowed here.");
            answer = Md5(key.Span, challenge.Span);
        }
        else if (Mac(NameOf(challenge.Span), key.Span, challenge.Span, allowsMd5) is { } mac)
        {
            answer = [.. challenge.Span[..(NameOf(challenge.Span).Length + 2)], .. mac];
        }
        else
        {
            throw new AuthenticationException("The peer's challenge names no digest that is allowed here.");
        }

        await framing.WriteAsync(answer, token).ConfigureAwait(false);
        ReadOnlyMemory<byte> verdict = await ReadAsync(framing, token).ConfigureAwait(false);
        if (verdict.Span.SequenceEqual("#FAILURE#"u8))
            throw new AuthenticationException("The peer refused our key.");
        if (!verdict.Span.SequenceEqual("#WELCOME#"u8))
            throw new PythonProtocolException("The peer said neither that the key is right nor that it is wrong.");
    }

    private static async Task<ReadOnlyMemory<byte>> ReadChallengeAsync(PythonFraming framing, CancellationToken token)
    {
        ReadOnlyMemory<byte> frame = await ReadAsync(framing, token).ConfigureAwait(false);
        if (!frame.Span.StartsWith("#CHALLENGE#"u8))
            throw new PythonProtocolException("The peer doesn't begin with a challenge: it is no manager of Python's, or one without a key.");
        byte[] challenge = frame["#CHALLENGE#".Length..].ToArray();
        return challenge.Length >= 16 ? challenge : throw new PythonProtocolException($"A challenge of {challenge.Length} bytes is too short to prove anything.");
    }

    private static async Task<ReadOnlyMemory<byte>> ReadAsync(PythonFraming framing, CancellationToken token) =>
        await framing.ReadAsync(LargestFrame, token).ConfigureAwait(false) ?? throw new PythonProtocolException("The peer closed the connection before it had proved its key.");

    private static bool IsOld(ReadOnlySpan<byte> challenge) => challenge.Length is 16 or 20;

    private static bool IsRight(ReadOnlySpan<byte> key, ReadOnlySpan<byte> challenge, ReadOnlySpan<byte> answer, bool allowsMd5)
    {
        if (answer.Length == 16)
            return allowsMd5 && CryptographicOperations.FixedTimeEquals(Md5(key, challenge), answer);
        ReadOnlySpan<byte> name = NameOf(answer);
        return Mac(name, key, challenge, allowsMd5) is { } mac && CryptographicOperations.FixedTimeEquals(mac, answer[(name.Length + 2)..]);
    }

    /// <summary>What stands in braces at the beginning; empty if nothing does.</summary>
    private static ReadOnlySpan<byte> NameOf(ReadOnlySpan<byte> message)
    {
        if (message is not [(byte)'{', ..])
            return [];
        int close = message.IndexOf((byte)'}');
        return close < 0 ? [] : message[1..close];
    }

    private static byte[]? Mac(ReadOnlySpan<byte> name, ReadOnlySpan<byte> key, ReadOnlySpan<byte> message, bool allowsMd5)
    {
        if (name.SequenceEqual("sha256"u8))
            return HMACSHA256.HashData(key, message);
        if (name.SequenceEqual("sha384"u8))
            return HMACSHA384.HashData(key, message);
        if (name.SequenceEqual("sha3_256"u8) && HMACSHA3_256.IsSupported)
            return HMACSHA3_256.HashData(key, message);
        if (name.SequenceEqual("sha3_384"u8) && HMACSHA3_384.IsSupported)
            return HMACSHA3_384.HashData(key, message);
        return allowsMd5 && name.SequenceEqual("md5"u8) ? Md5(key, message) : null;
    }

#pragma warning disable CA5351 // Older peers know nothing else; whether they may join is the caller's choice.
    private static byte[] Md5(ReadOnlySpan<byte> key, ReadOnlySpan<byte> message) => HMACMD5.HashData(key, message);
#pragma warning restore CA5351

    private static void ThrowIfEmpty(ReadOnlyMemory<byte> key)
    {
        if (key.IsEmpty)
            throw new ArgumentException("An empty key lets everybody in. Python's own way to make one: os.urandom(32).", nameof(key));
    }
}
