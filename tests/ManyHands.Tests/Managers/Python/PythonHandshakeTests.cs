using System.Security.Authentication;
using System.Security.Cryptography;
using ManyHands.Managers;
using Xunit;

namespace ManyHands.Tests.Managers;

public sealed class PythonHandshakeTests : LeakChecked
{
    private static readonly byte[] Key = "secret"u8.ToArray();

#pragma warning disable CA5350, CA5351 // Weak digests are what must be refused.
    /// <summary>What is sent in place of an answer: made from the challenge, or not.</summary>
    private static readonly Dictionary<string, Func<byte[], byte[]>> WrongAnswers = new()
    {
        ["nothing"] = static _ => [],
        ["15 bytes"] = static _ => new byte[15],
        ["16 bytes"] = static _ => new byte[16],
        ["17 bytes"] = static _ => new byte[17],
        ["20 bytes"] = static _ => new byte[20],
        ["40 bytes"] = static _ => new byte[40],
        ["41 bytes"] = static _ => new byte[41],
        ["255 bytes"] = static _ => new byte[255],
        ["256 bytes"] = static _ => new byte[256],
        ["right MD5"] = static challenge => HMACMD5.HashData(Key, challenge),
        ["right MD5 by name"] = static challenge => [.. "{md5}"u8, .. HMACMD5.HashData(Key, challenge)],
        ["SHA-256 without name"] = static challenge => HMACSHA256.HashData(Key, challenge),
        ["one byte less"] = static challenge => [.. "{sha256}"u8, .. HMACSHA256.HashData(Key, challenge)[..31]],
        ["one byte more"] = static challenge => [.. "{sha256}"u8, .. HMACSHA256.HashData(Key, challenge), 0],
        ["another key"] = static challenge => [.. "{sha256}"u8, .. HMACSHA256.HashData("Secret"u8, challenge)],
        ["without the prefix"] = static challenge => [.. "{sha256}"u8, .. HMACSHA256.HashData(Key, challenge[8..])],
        ["SHA-512"] = static challenge => [.. "{sha512}"u8, .. HMACSHA512.HashData(Key, challenge)],
        ["SHA-1"] = static challenge => [.. "{sha1}"u8, .. HMACSHA1.HashData(Key, challenge)],
        ["braces"] = static _ => [.. Enumerable.Repeat((byte)'{', 256)],
        ["empty braces"] = static _ => "{}"u8.ToArray(),
        ["the challenge"] = static challenge => challenge,
        ["a welcome"] = static _ => "#WELCOME#"u8.ToArray(),
    };
#pragma warning restore CA5350, CA5351

    public static TheoryData<string> Wrong => [.. WrongAnswers.Keys];

    // Recorded: the server's challenge, the client's answer.
    [Theory]
    [InlineData("ff4e74a905990ce493c4bc8ed7b63cfe36abafb9", "a712b589c48a02539c89e4cb02b87d5f")]
    [InlineData("7b7368613235367d96f63a58cfa242bfb4dd8aeb73248d071494f06707f2033cd0b7c7300f40c603206e12c2871ef001", "7b7368613235367d80fc358e7dbb080fefe8ee4ff80c1f3cf0ca2dd49ad490dfb95cba5c22baa5ee")]
    [InlineData("148cea3d6e23dd48d0a198141bc4894ccf2244bb", "1b93f1e0fb24c559ad1a07f77d3ff52e")]
    [InlineData("ebee9ea7bd7c720957df1187d3f8a686c9302f92", "272a5002c7ccae11710151b9750e9957")]
    [InlineData("bc2f0836e9c7fbbc9706782abed7f5f8480391af", "19eebc5f7d24716ed1cc77eaf1a3050e")]
    public async Task AClient_AnswersAsPythons(string challenge, string answer)
    {
        using SocketPair pair = await SocketPair.ConnectAsync();
        PythonFraming server = new(pair.Other);
        Task joining = PythonHandshake.JoinAsync(new PythonFraming(pair.One), Key, allowsMd5: true, default);
        await server.WriteAsync((byte[])[.. "#CHALLENGE#"u8, .. HostilePickles.Bytes(challenge)]);
        Assert.Equal(answer, Convert.ToHexStringLower((await server.ReadAsync(256))!.Value.Span));
        pair.Other.Dispose();
        await Assert.ThrowsAnyAsync<IOException>(() => joining);
    }

    // Recorded: the client's challenge, the server's answer.
    [Theory]
    [InlineData("ebee9ea7bd7c720957df1187d3f8a686c9302f92", "272a5002c7ccae11710151b9750e9957")]
    [InlineData("7b7368613235367db1aea381379d68387bd5e1c00fbe0a6f5cb1178e65500485485957f4249fbc7bdf2171a057c42e2d", "7b7368613235367d91503b242b5da29a27013d4654761e274e51185026e8d5c6ac44175d17cf7093")]
    [InlineData("bc2f0836e9c7fbbc9706782abed7f5f8480391af", "19eebc5f7d24716ed1cc77eaf1a3050e")]
    public async Task AServer_AnswersAsPythons(string challenge, string answer)
    {
        using SocketPair pair = await SocketPair.ConnectAsync();
        PythonFraming client = new(pair.Other);
        Task serving = PythonHandshake.ServeAsync(new PythonFraming(pair.One), Key, allowsMd5: true, default);
        await AnswerAsync(client, static sent => [.. "{sha256}"u8, .. HMACSHA256.HashData(Key, sent)]);
        Assert.Equal("#WELCOME#", await ReadTextAsync(client));
        await client.WriteAsync((byte[])[.. "#CHALLENGE#"u8, .. HostilePickles.Bytes(challenge)]);
        Assert.Equal(answer, Convert.ToHexStringLower((await client.ReadAsync(256))!.Value.Span));
        await client.WriteAsync("#WELCOME#"u8.ToArray());
        await serving;
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task BothSidesOfOurs_Agree(bool allowsMd5)
    {
        using SocketPair pair = await SocketPair.ConnectAsync();
        await Task.WhenAll(PythonHandshake.ServeAsync(new(pair.One), Key, allowsMd5, default), PythonHandshake.JoinAsync(new(pair.Other), Key, allowsMd5, default));
    }

    [Theory]
    [InlineData("sha256")]
    [InlineData("sha384")]
    [InlineData("sha3_256")]
    [InlineData("sha3_384")]
    public async Task AnyStrongDigest_IsTaken(string name)
    {
        Func<byte[], byte[]> digest = name switch
        {
            "sha256" => static sent => HMACSHA256.HashData(Key, sent),
            "sha384" => static sent => HMACSHA384.HashData(Key, sent),
            "sha3_256" => static sent => HMACSHA3_256.HashData(Key, sent),
            _ => static sent => HMACSHA3_384.HashData(Key, sent),
        };
        Assert.SkipWhen(name.StartsWith("sha3_", StringComparison.Ordinal) && !HMACSHA3_256.IsSupported, "This system has no SHA-3.");
        using SocketPair pair = await SocketPair.ConnectAsync();
        PythonFraming client = new(pair.Other);
        Task serving = PythonHandshake.ServeAsync(new(pair.One), Key, allowsMd5: false, default);
        await AnswerAsync(client, sent => [.. System.Text.Encoding.ASCII.GetBytes($"{{{name}}}"), .. digest(sent)]);
        Assert.Equal("#WELCOME#", await ReadTextAsync(client));
        pair.Other.Dispose();
        await Assert.ThrowsAnyAsync<IOException>(() => serving);
    }

    [Theory]
    [MemberData(nameof(Wrong))]
    public async Task AWrongAnswer_IsRefused_AndNothingMoreIsSaid(string name)
    {
        using SocketPair pair = await SocketPair.ConnectAsync();
        PythonFraming client = new(pair.Other);
        Task serving = ServeAndClose(pair);
        await AnswerAsync(client, WrongAnswers[name]);
        Assert.Equal("#FAILURE#", await ReadTextAsync(client));
        await Assert.ThrowsAsync<AuthenticationException>(() => serving);
        Assert.Null(await client.ReadAsync(256));
    }

    [Fact]
    public async Task AnAnswerOf257Bytes_EndsTheConnection()
    {
        using SocketPair pair = await SocketPair.ConnectAsync();
        PythonFraming client = new(pair.Other);
        Task serving = ServeAndClose(pair);
        await AnswerAsync(client, static _ => new byte[257]);
        await Assert.ThrowsAsync<PythonProtocolException>(() => serving);
    }

    [Theory]
    [InlineData("#CHALLENGE#")]
    [InlineData("#CHALLENGE#123456789012345")]
    [InlineData("#CHALLENGE#1234567890123456")]
    [InlineData("#CHALLENGE#1234567890123456789")]
    [InlineData("#CHALLENGE#12345678901234567890")]
    [InlineData("#CHALLENGE#{sha1}1234567890123456789012345678901234567890")]
    [InlineData("#CHALLENGE#{md5}1234567890123456789012345678901234567890")]
    [InlineData("#CHALLENGE#{sha256\01234567890123456789012345678901234567890")]
    [InlineData("#FAILURE#")]
    [InlineData("#WELCOME#")]
    [InlineData("")]
    public async Task AChallengeThatIsNone_GetsNoAnswer(string challenge)
    {
        using SocketPair pair = await SocketPair.ConnectAsync();
        PythonFraming client = new(pair.Other);
        Task serving = ServeAndClose(pair);
        await AnswerAsync(client, static sent => [.. "{sha256}"u8, .. HMACSHA256.HashData(Key, sent)]);
        Assert.Equal("#WELCOME#", await ReadTextAsync(client));
        await client.WriteAsync(System.Text.Encoding.ASCII.GetBytes(challenge));
        Exception? failure = await Record.ExceptionAsync(() => serving);
        Assert.True(failure is AuthenticationException or PythonProtocolException, failure?.ToString());
        Assert.Null(await client.ReadAsync(256));
    }

    [Fact]
    public async Task OurOwnChallenge_IsNotAnswered()
    {
        using SocketPair pair = await SocketPair.ConnectAsync();
        PythonFraming client = new(pair.Other);
        Task serving = ServeAndClose(pair);
        byte[] challenge = await AnswerAsync(client, static sent => [.. "{sha256}"u8, .. HMACSHA256.HashData(Key, sent)]);
        Assert.Equal("#WELCOME#", await ReadTextAsync(client));
        await client.WriteAsync((byte[])[.. "#CHALLENGE#"u8, .. challenge]);
        await Assert.ThrowsAsync<AuthenticationException>(() => serving);
        Assert.Null(await client.ReadAsync(256));
    }

    [Fact]
    public async Task APeerThatChallengesFirst_GetsNoAnswer()
    {
        using SocketPair pair = await SocketPair.ConnectAsync();
        PythonFraming client = new(pair.Other);
        Task serving = ServeAndClose(pair);
        _ = await client.ReadAsync(256);
        await client.WriteAsync((byte[])[.. "#CHALLENGE#{sha256}"u8, .. new byte[40]]);
        Assert.Equal("#FAILURE#", await ReadTextAsync(client));
        await Assert.ThrowsAsync<AuthenticationException>(() => serving);
    }

    [Fact]
    public async Task AValidAnswer_ThenAFailure_IsAFailure()
    {
        using SocketPair pair = await SocketPair.ConnectAsync();
        PythonFraming client = new(pair.Other);
        Task serving = ServeAndClose(pair);
        await AnswerAsync(client, static sent => [.. "{sha256}"u8, .. HMACSHA256.HashData(Key, sent)]);
        await client.WriteAsync((byte[])[.. "#CHALLENGE#{sha256}"u8, .. new byte[40]]);
        await client.WriteAsync("#FAILURE#"u8.ToArray());
        await Assert.ThrowsAsync<AuthenticationException>(() => serving);
    }

    [Fact]
    public async Task ASilentPeer_HasNoMoreThanTheDeadline()
    {
        using SocketPair pair = await SocketPair.ConnectAsync();
        using CancellationTokenSource deadline = new(TimeSpan.FromMilliseconds(200));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => PythonHandshake.ServeAsync(new(pair.One), Key, allowsMd5: false, deadline.Token));
    }

    [Fact]
    public async Task AnEmptyKey_IsRefused()
    {
        await Assert.ThrowsAsync<ArgumentException>(() => PythonHandshake.ServeAsync(new(Stream.Null), default, allowsMd5: true, default));
        await Assert.ThrowsAsync<ArgumentException>(() => PythonHandshake.JoinAsync(new(Stream.Null), default, allowsMd5: true, default));
    }

    [Fact]
    public async Task AClientThatDoesNotAllowMd5_DoesNotAnswerAnOldServer()
    {
        using SocketPair pair = await SocketPair.ConnectAsync();
        PythonFraming server = new(pair.Other);
        await server.WriteAsync((byte[])[.. "#CHALLENGE#"u8, .. new byte[20]]);
        await Assert.ThrowsAsync<AuthenticationException>(() => PythonHandshake.JoinAsync(new(pair.One), Key, allowsMd5: false, default));
        pair.One.Dispose();
        Assert.Null(await server.ReadAsync(256));
    }

    private static async Task ServeAndClose(SocketPair pair)
    {
        using (pair.One)
            await PythonHandshake.ServeAsync(new PythonFraming(pair.One), Key, allowsMd5: false, default);
    }

    private static async Task<byte[]> AnswerAsync(PythonFraming client, Func<byte[], byte[]> answer)
    {
        byte[] challenge = (await client.ReadAsync(256))!.Value["#CHALLENGE#".Length..].ToArray();
        await client.WriteAsync(answer(challenge));
        return challenge;
    }

    private static async Task<string> ReadTextAsync(PythonFraming framing) => System.Text.Encoding.ASCII.GetString((await framing.ReadAsync(256))!.Value.Span);
}
