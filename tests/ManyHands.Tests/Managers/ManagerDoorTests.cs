using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Xunit;

namespace ManyHands.Tests.Managers;

/// <summary>Who may not come in stays out, in time, and disturbs nobody.</summary>
[System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
public sealed class ManagerDoorTests : LeakChecked
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task WrongKey_IsRefusedByTheClientItself_WithoutAnAnswerToTheServer()
    {
        await using ManagerServer server = Started();
        ManagerException refused = await Assert.ThrowsAsync<ManagerException>(() => ManagerClient.ConnectAsync(server.EndPoint, ManagerKey.Generate(), cancellationToken: Token));
        Assert.Equal(ManagerError.WrongKey, refused.Error);
        await Works(server);
    }

    [Theory]
    [InlineData("474554202f20485454502f312e310d0a0d0a")]
    [InlineData("16030100c8010000c40303")]
    [InlineData("00000000")]
    [InlineData("ffffffffffffffffffffffff")]
    [InlineData("4d484d3100")]
    public async Task Stranger_IsClosedOn_AndToldNothing(string bytes)
    {
        await using ManagerServer server = Started(handshake: TimeSpan.FromMilliseconds(500));
        using Socket socket = await ConnectAsync(server);
        await socket.SendAsync(Convert.FromHexString(bytes), SocketFlags.None, Token);
        long sentAt = Stopwatch.GetTimestamp();
        Assert.Equal(0, await EndOf(socket));
        Assert.InRange(FairClock.Since(sentAt).TotalSeconds, 0, 3);
        await Works(server);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(31)]
    [InlineData(32)]
    public async Task WrongProof_IsClosedOn_AndToldNothing(int length)
    {
        await using ManagerServer server = Started(handshake: TimeSpan.FromMilliseconds(500));
        using Socket socket = await ConnectAsync(server);
        byte[] hello = [.. "MHM1"u8, .. RandomNumberGenerator.GetBytes(32)];
        await socket.SendAsync(hello, SocketFlags.None, Token);
        byte[] answer = new byte[68];
        for (int count = 0; count < answer.Length;)
        {
            int more = await socket.ReceiveAsync(answer.AsMemory(count), SocketFlags.None, Token);
            Assert.NotEqual(0, more);
            count += more;
        }

        // The server's own proof, handed back.
        await socket.SendAsync((byte[])[.. answer[36..][..length], .. length == 32 ? (byte[])[0] : []], SocketFlags.None, Token);
        Assert.Equal(0, await EndOf(socket));
        await Works(server);
    }

    [Fact]
    public async Task SilentPeers_AreClosedOn_AndKeepNobodyOut()
    {
        await using ManagerServer server = Started(handshake: TimeSpan.FromSeconds(1));
        List<Socket> silent = [];
        try
        {
            for (int i = 0; i < 100; i++)
                silent.Add(await ConnectAsync(server));
            await Works(server);
            long startedAt = Stopwatch.GetTimestamp();
            foreach (Socket socket in silent)
                Assert.Equal(0, await EndOf(socket));
            Assert.InRange(FairClock.Since(startedAt).TotalSeconds, 0, 5);
        }
        finally
        {
            foreach (Socket socket in silent)
                socket.Dispose();
        }
    }

    [Fact]
    public async Task OneByteAtATime_IsClosedOnWhenTheTimeIsOver()
    {
        await using ManagerServer server = Started(handshake: TimeSpan.FromSeconds(1));
        using Socket socket = await ConnectAsync(server);
        long startedAt = Stopwatch.GetTimestamp();
        byte[] hello = [.. "MHM1"u8, .. RandomNumberGenerator.GetBytes(32)];
        int sent = 0;
        while (!socket.Poll(TimeSpan.FromMilliseconds(100), SelectMode.SelectRead) && sent < 30)
            await socket.SendAsync(hello.AsMemory(sent++, 1), SocketFlags.None, Token);
        Assert.Equal(0, await EndOf(socket));
        Assert.True(Stopwatch.GetElapsedTime(startedAt).TotalSeconds >= 0.9, "too early");
        Assert.InRange(FairClock.Since(startedAt).TotalSeconds, 0, 4);
        await Works(server);
    }

    [Fact]
    public async Task TenThousandConnects_LeaveNothing_AndAClientGoesOn()
    {
        await using ManagerServer server = Started();
        await using ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key, cancellationToken: Token);
        ISharedQueue<int> tasks = client.GetQueue<int>("tasks");
        for (int round = 0; round < 100; round++)
        {
            for (int i = 0; i < 100; i++)
            {
                using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                socket.LingerState = new LingerOption(true, 0);
                await socket.ConnectAsync(server.EndPoint, Token);
            }

            await tasks.EnqueueAsync(round, Token);
            Assert.Equal(round, await tasks.DequeueAsync(Token));
        }

        await Eventually.True(() => server.Statistics.RefusedClients >= 10_000, "all were seen off");
        Assert.Single(server.Statistics.Clients);
    }

    [Fact]
    public async Task Tls_EncryptsAndTellsWhoItIs()
    {
        using X509Certificate2 certificate = Certificate();
        using X509Certificate2 other = Certificate();
        await using ManagerServer server = Started(certificate: certificate);
        await using (ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key, new() { ServerCertificate = certificate }, Token))
        {
            ISharedQueue<int> tasks = client.GetQueue<int>("tasks");
            for (int i = 0; i < 200; i++)
            {
                await tasks.EnqueueAsync(i, Token);
                Assert.Equal(i, await tasks.DequeueAsync(Token));
            }

            Task[] many = [.. Enumerable.Range(0, 500).Select(i => tasks.EnqueueAsync(i, Token).AsTask())];
            await Task.WhenAll(many);
            Assert.Equal(500, tasks.Count);
        }

        ManagerException wrong = await Assert.ThrowsAsync<ManagerException>(() => ManagerClient.ConnectAsync(server.EndPoint, server.Key, new() { ServerCertificate = other }, Token));
        Assert.Equal(ManagerError.WrongKey, wrong.Error);
        await Assert.ThrowsAsync<ManagerException>(() => ManagerClient.ConnectAsync(server.EndPoint, server.Key, new() { ServerName = "localhost" }, Token));
        Exception plain = await Assert.ThrowsAnyAsync<Exception>(() => ManagerClient.ConnectAsync(server.EndPoint, server.Key, cancellationToken: Token));
        Assert.True(plain is ManagerException or ConnectionLostException, plain.ToString());
        Exception noKey = await Assert.ThrowsAnyAsync<Exception>(() => ManagerClient.ConnectAsync(server.EndPoint, ManagerKey.Generate(), new() { ServerCertificate = certificate }, Token));
        Assert.True(noKey is ManagerException { Error: ManagerError.WrongKey }, noKey.ToString());
    }

    [Fact]
    public async Task TlsToAPlainPort_FailsInTime()
    {
        using X509Certificate2 certificate = Certificate();
        await using ManagerServer server = Started();
        Exception failure = await Assert.ThrowsAnyAsync<Exception>(() => ManagerClient.ConnectAsync(server.EndPoint, server.Key, new() { ServerCertificate = certificate }, Token));
        Assert.True(failure is ManagerException or ConnectionLostException, failure.ToString());
        await Works(server);
    }

    [Fact]
    public void Options_ThatExpose_AreRefusedWithWhatToDo()
    {
        IPEndPoint everywhere = new(IPAddress.Any, 0);
        Assert.Contains("Certificate", Assert.Throws<ArgumentException>(() => new ManagerServer(new() { EndPoint = everywhere })).Message, StringComparison.Ordinal);
        Assert.Contains("16", Assert.Throws<ArgumentException>(() => new ManagerServer(new() { Key = ManagerKey.FromText("qiye") })).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => new ManagerServer(new() { MaxMessageSize = 1 }));
        Assert.Throws<ArgumentException>(() => ManagerKey.FromText(""));
    }

    [Fact]
    public async Task Port_OfAnother_IsRefused_AndOfOneThatLeft_IsThereAtOnce()
    {
        ManagerServer first = Started();
        ManagerOptions same = new() { EndPoint = first.EndPoint };
        await using (ManagerServer second = new(same))
            Assert.Contains("Another program", Assert.Throws<IOException>(second.Start).Message, StringComparison.Ordinal);
        await using (ManagerClient client = await ManagerClient.ConnectAsync(first.EndPoint, first.Key, cancellationToken: Token))
            await first.DisposeAsync();
        await using ManagerServer third = new(same);
        third.Start();
    }

    [Fact]
    public async Task UnixSocket_IsItsOwnersAlone_AndALeftoverIsTakenOver()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("manager-");
        try
        {
            File.SetUnixFileMode(folder.FullName, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            string path = Path.Combine(folder.FullName, "socket");

            // What a killed manager leaves; a live one takes its file along, under the name that it knows.
            using (Socket dead = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
            {
                dead.Bind(new UnixDomainSocketEndPoint(path + "-before"));
                File.Move(path + "-before", path);
            }

            Assert.True(File.Exists(path));
            await using (ManagerServer server = new(new() { EndPoint = new UnixDomainSocketEndPoint(path) }))
            {
                server.RegisterQueue<int>("tasks");
                server.Start();
                Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
                await Works(server);
                await using (ManagerServer second = new(new() { EndPoint = new UnixDomainSocketEndPoint(path) }))
                    Assert.Throws<IOException>(second.Start);
                Assert.True(File.Exists(path));
            }

            Assert.False(File.Exists(path));

            // To connect to it is refused as if it were a socket that nobody listens at.
            await File.WriteAllTextAsync(path, "of somebody", TestContext.Current.CancellationToken);
            await using (ManagerServer other = new(new() { EndPoint = new UnixDomainSocketEndPoint(path) }))
                Assert.Contains("is no socket", Assert.Throws<IOException>(other.Start).Message, StringComparison.Ordinal);
            Assert.Equal("of somebody", await File.ReadAllTextAsync(path, TestContext.Current.CancellationToken));
            File.Delete(path);
            File.SetUnixFileMode(folder.FullName, File.GetUnixFileMode(folder.FullName) | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute);
            await using ManagerServer open = new(new() { EndPoint = new UnixDomainSocketEndPoint(path) });
            Assert.Contains("chmod 700", Assert.Throws<IOException>(open.Start).Message, StringComparison.Ordinal);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void Key_InAFile_IsItsOwnersAlone()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("manager-");
        try
        {
            string path = Path.Combine(folder.FullName, "key");
            ManagerKey made = ManagerKey.FromFileOrNew(path);
            Assert.Equal(made.ToBase64(), ManagerKey.FromFileOrNew(path).ToBase64());
            Assert.Equal(32, Convert.FromBase64String(made.ToBase64()).Length);
            Assert.DoesNotContain(made.ToBase64(), made.ToString(), StringComparison.Ordinal);
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.OtherRead);
            Assert.Contains("chmod 600", Assert.Throws<UnauthorizedAccessException>(() => ManagerKey.FromFile(path)).Message, StringComparison.Ordinal);
            Environment.SetEnvironmentVariable("MANYHANDS_TEST_KEY", made.ToBase64());
            Assert.Equal(made.ToBase64(), ManagerKey.FromEnvironment("MANYHANDS_TEST_KEY").ToBase64());
            Assert.Null(Environment.GetEnvironmentVariable("MANYHANDS_TEST_KEY"));
            Assert.Throws<InvalidOperationException>(() => ManagerKey.FromEnvironment("MANYHANDS_TEST_KEY"));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Objects_AskedForWrongly_AreRefusedAtTheCall()
    {
        await using ManagerServer server = Started();
        await using ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key, cancellationToken: Token);
        ManagerException unknown = Assert.Throws<ManagerException>(() => client.GetQueue<int>("task"));
        Assert.Equal(ManagerError.NotFound, unknown.Error);
        Assert.Contains("tasks", unknown.Message, StringComparison.Ordinal);
        Assert.Equal(ManagerError.OtherType, Assert.Throws<ManagerException>(() => client.GetQueue<string>("tasks")).Error);
        Assert.Throws<ArgumentException>(() => server.RegisterQueue<int>("tasks"));
        Assert.Throws<ArgumentException>(() => server.RegisterQueue<int>("no name"));
        Assert.Throws<ArgumentException>(() => server.RegisterQueue<int>("x\nimport os"));
    }

    [Fact]
    public async Task Quotas_AreHeld()
    {
        await using ManagerServer server = new(new() { MaxStoredBytes = 10_000, MaxRequestsPerClient = 20, MaxMessageSize = 64 << 10 });
        server.RegisterQueue<byte[]>("blobs");
        server.RegisterQueue<int>("empty");
        server.Start();
        await using ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key, new() { MaxMessageSize = 1 << 20 }, Token);
        ISharedQueue<byte[]> blobs = client.GetQueue<byte[]>("blobs");
        await blobs.EnqueueAsync(new byte[6_000], Token);
        Assert.Equal(ManagerError.Quota, (await Assert.ThrowsAsync<ManagerException>(async () => await blobs.EnqueueAsync(new byte[6_000], Token))).Error);
        await blobs.DequeueAsync(Token);
        await blobs.EnqueueAsync(new byte[6_000], Token);

        ISharedQueue<int> empty = client.GetQueue<int>("empty");
        using CancellationTokenSource enough = new();
        Task[] waiting = [.. Enumerable.Range(0, 30).Select(_ => empty.DequeueAsync(enough.Token).AsTask())];
        await Eventually.True(() => waiting.Count(task => task.IsFaulted) == 10, "ten were too many");
        Assert.All(waiting.Where(task => task.IsFaulted), task => Assert.Equal(ManagerError.Quota, Assert.IsType<ManagerException>(task.Exception!.InnerException).Error));
        await enough.CancelAsync();
        await Task.WhenAll(waiting).ContinueWith(_ => { }, Token, TaskContinuationOptions.None, TaskScheduler.Default);

        // Larger than the manager takes: it ends the connection, and others go on.
        await Assert.ThrowsAsync<ConnectionLostException>(async () => await blobs.EnqueueAsync(new byte[200_000], Token));
        await Works(server, "empty");
    }

    private static ManagerServer Started(TimeSpan? handshake = null, X509Certificate2? certificate = null)
    {
        ManagerServer server = new(new ManagerOptions { HandshakeTimeout = handshake ?? TimeSpan.FromMinutes(1), Certificate = certificate });
        server.RegisterQueue<int>("tasks");
        server.Start();
        return server;
    }

    private static async Task Works(ManagerServer server, string queue = "tasks")
    {
        await using ManagerClient client = await ConnectInTimeAsync(server);
        ISharedQueue<int> tasks = client.GetQueue<int>(queue);
        await tasks.EnqueueAsync(42, Token);
        Assert.Equal(42, await tasks.DequeueAsync(Token));
    }

    // The handshake times of these tests are short, and may be too short for one on a busy machine.
    private static async Task<ManagerClient> ConnectInTimeAsync(ManagerServer server)
    {
        long startedAt = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                return await ManagerClient.ConnectAsync(server.EndPoint, server.Key, cancellationToken: Token);
            }
            catch (ConnectionLostException) when (FairClock.Since(startedAt) < TimeSpan.FromSeconds(10))
            {
                // Again.
            }
        }
    }

    private static async Task<Socket> ConnectAsync(ManagerServer server)
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(server.EndPoint, Token);
        return socket;
    }

    // How many bytes came before the end.
    private static async Task<int> EndOf(Socket socket)
    {
        byte[] bytes = new byte[1024];
        int all = 0;
        try
        {
            while (await socket.ReceiveAsync(bytes, SocketFlags.None, Token).AsTask().InTime(TimeSpan.FromSeconds(20), Token) is var count && count > 0)
                all += count;
        }
        catch (SocketException)
        {
            // Reset, as there was something that nobody read.
        }

        return all;
    }

    private static X509Certificate2 Certificate()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new("CN=localhost", key, HashAlgorithmName.SHA256);
        using X509Certificate2 made = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pfx), null);
    }
}
