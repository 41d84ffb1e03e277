using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using ManyHands.Managers;
using ManyHands.Platform;
using Xunit;

namespace ManyHands.Tests.Managers;

/// <summary>Clients and managers that die, stop and come back: nothing is lost, and nothing is doubled but what is flagged.</summary>
public sealed class ManagerSurvivalTests : LeakChecked
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ClientKilled_WhileItWaitsForAnItem_TheNextItemGoesToAnother()
    {
        using Gate gate = new();
        await using ManagerServer server = new();
        ISharedQueue<int> tasks = server.RegisterQueue<int>("tasks");
        server.Start();
        await using WorkerProcess doomed = WorkerProcess.Start(ManagerWork.WaitForItemAsync, ManagerWork.PortOf(server), server.Key.ToBase64(), gate.Path);
        await gate.WaitAsync();
        await Eventually.True(() => server.Statistics.Clients is [{ WaitingRequests: 1 }], "the client waits");

        doomed.Kill();
        await doomed.JoinAsync(Token);
        await Eventually.True(() => server.Statistics.Clients.Count == 0, "the manager has noticed", seconds: 2);
        tasks.Enqueue(1, Token);
        Assert.Equal(1, await tasks.DequeueAsync(Token));
    }

    [Fact]
    public async Task ClientStopped_WhileAnItemIsOnItsWay_ThenKilled_TheItemComesBack()
    {
        using Gate gate = new();
        await using ManagerServer server = new();
        ISharedQueue<int> tasks = server.RegisterQueue<int>("tasks");
        server.Start();
        await using WorkerProcess doomed = WorkerProcess.Start(ManagerWork.WaitForItemAsync, ManagerWork.PortOf(server), server.Key.ToBase64(), gate.Path);
        await gate.WaitAsync();
        await Eventually.True(() => server.Statistics.Clients is [{ WaitingRequests: 1 }], "the client waits");

        // It is given the item, and never reads that.
        Assert.Equal(0, Linux.Kill(doomed.Id, Linux.Sigstop));
        await Eventually.True(() => ProcessInventory.IsStopped(doomed.Id), "it is stopped");
        tasks.Enqueue(1, Token);
        await Eventually.True(() => tasks.Count == 0 && tasks.LeasedCount == 1, "the item is on its way");
        doomed.Kill();
        await using QueueLease<int> lease = await tasks.LeaseAsync(cancellationToken: Token);
        Assert.Equal(1, lease.Item);
        Assert.True(lease.IsRedelivered);
        await lease.CompleteAsync(Token);
    }

    [Fact]
    public async Task ClientKilled_WithAnItemInHand_TheItemComesBackFlagged()
    {
        using Gate gate = new();
        await using ManagerServer server = new();
        ISharedQueue<int> tasks = server.RegisterQueue<int>("tasks");
        server.Start();
        tasks.Enqueue(7, Token);
        await using WorkerProcess doomed = WorkerProcess.Start(ManagerWork.KeepItemAsync, ManagerWork.PortOf(server), server.Key.ToBase64(), gate.Path);
        await gate.WaitAsync();
        Assert.False(tasks.TryDequeue(out _));

        long killedAt = Stopwatch.GetTimestamp();
        doomed.Kill();
        await using QueueLease<int> lease = await tasks.LeaseAsync(cancellationToken: Token);
        Assert.InRange(FairClock.Since(killedAt).TotalSeconds, 0, 2);
        Assert.Equal((7, true), (lease.Item, lease.IsRedelivered));
        await lease.CompleteAsync(Token);
    }

    [Fact]
    public async Task Workers_KilledAllTheTime_EveryTaskHasItsResult()
    {
        const int Tasks = 2_000;
        using Gate gate = new();
        await using ManagerServer server = new();
        ISharedQueue<int> tasks = server.RegisterQueue<int>("tasks");
        ISharedQueue<long> results = server.RegisterQueue<long>("results");
        server.Start();
        int port = ManagerWork.PortOf(server);
        await tasks.EnqueueBatchAsync(Enumerable.Range(0, Tasks), Token);
        tasks.Complete();

        HashSet<long> seen = [];
        List<WorkerProcess> workers = [];
        int kills = 0;
        for (int i = 0; i < 2; i++)
            workers.Add(WorkerProcess.Start(ManagerWork.SquareAsync, port, server.Key.ToBase64(), gate.Named($"ready-{i}")));
        while (seen.Count < Tasks)
        {
            seen.Add(await results.DequeueAsync(Token));
            if (seen.Count % 400 != 200 || kills >= 4)
                continue;
            WorkerProcess doomed = workers[kills++ % 2];
            doomed.Kill();
            await doomed.JoinAsync(Token);
            workers.Remove(doomed);
            await doomed.DisposeAsync();
            workers.Insert(kills % 2, WorkerProcess.Start(ManagerWork.SquareAsync, port, server.Key.ToBase64(), gate.Named($"again-{kills}")));
        }

        Assert.True(kills > 0);
        Assert.Equal(Enumerable.Range(0, Tasks).Select(i => (long)i * i), seen.Order());
        foreach (WorkerProcess worker in workers)
        {
            await worker.JoinAsync(Token);
            await worker.DisposeAsync();
        }
    }

    [Fact]
    public async Task ManagerKilledAndStartedAgain_WithStorage_NothingAcknowledgedIsLost()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("manager-");
        try
        {
            string database = Path.Combine(folder.FullName, "manager.db");
            string key = ManagerKey.Generate().ToBase64();
            int port = FreePort();
            WorkerProcess server = WorkerProcess.Start(ManagerWork.ServeAsync, port, key, database);
            await using ManagerClient client = await ConnectWhenThereAsync(port, key);
            ISharedQueue<int> tasks = client.GetQueue<int>("tasks");
            for (int i = 0; i < 200; i++)
                await tasks.EnqueueAsync(i, Token);
            for (int i = 0; i < 50; i++)
            {
                await using QueueLease<int> lease = await tasks.LeaseAsync(cancellationToken: Token);
                Assert.Equal(i, lease.Item);
                await lease.CompleteAsync(Token);
            }

            QueueLease<int> held = await tasks.LeaseAsync(cancellationToken: Token);
            Assert.Equal(50, held.Item);
            server.Kill();
            await server.JoinAsync(Token);
            await server.DisposeAsync();

            // The same client goes on when the manager is there again, on the same port at once.
            server = WorkerProcess.Start(ManagerWork.ServeAsync, port, key, database);
            List<int> rest = [];
            bool first = true;
            while (rest.Count < 150)
            {
                await using QueueLease<int> lease = await tasks.LeaseAsync(cancellationToken: Token);
                if (first)
                    Assert.True(lease.IsRedelivered);
                first = false;
                rest.Add(lease.Item);
                await lease.CompleteAsync(Token);
            }

            Assert.Equal(Enumerable.Range(50, 150), rest);
            Assert.False(held.TryComplete());
            Assert.Equal(0, tasks.Count);
            Assert.True(client.Reconnects >= 1);
            server.Kill();
            await server.DisposeAsync();
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task ManagerGone_WaitingCallsGoOn_OthersFail_AndTheStateIsTold()
    {
        int port = FreePort();
        ManagerKey key = ManagerKey.Generate();
        ManagerOptions options = new() { EndPoint = new IPEndPoint(IPAddress.Loopback, port), Key = key };
        ManagerServer server = new(options);
        server.RegisterQueue<int>("tasks");
        server.Start();
        List<ManagerClientState> states = [];
        await using ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, key, cancellationToken: Token);
        client.StateChanged += (state, _) =>
        {
            lock (states)
                states.Add(state);
        };
        ISharedQueue<int> tasks = client.GetQueue<int>("tasks");
        ValueTask<int> waiting = tasks.DequeueAsync(Token);
        await server.DisposeAsync();
        await Eventually.True(() => client.State == ManagerClientState.Reconnecting, "the client has noticed");

        await using ManagerServer second = new(options);
        ISharedQueue<int> own = second.RegisterQueue<int>("tasks");
        second.Start();
        own.Enqueue(5, Token);
        try
        {
            Assert.Equal(5, await waiting);
        }
        catch (ManagerException stopped)
        {
            // The manager's own word that it stops came before the end of the connection.
            Assert.Equal(ManagerError.Gone, stopped.Error);
        }

        await Eventually.True(() => client.State == ManagerClientState.Connected, "the client is there again");
        lock (states)
            Assert.Equal([ManagerClientState.Reconnecting, ManagerClientState.Connected], states);
        Assert.Equal(1, client.Reconnects);
    }

    [Fact]
    public async Task NoManagerAnyMore_CallsFailWhenTheTimeIsOver()
    {
        ManagerServer server = new();
        server.RegisterQueue<int>("tasks");
        server.Start();
        await using ManagerClient client = await ManagerClient.ConnectAsync(
            server.EndPoint, server.Key, new() { ReconnectTimeout = TimeSpan.FromMilliseconds(300) }, Token);
        ISharedQueue<int> tasks = client.GetQueue<int>("tasks");
        await server.DisposeAsync();
        await Eventually.True(() => client.State != ManagerClientState.Connected, "the client has noticed");
        await Assert.ThrowsAsync<ConnectionLostException>(async () => await tasks.EnqueueAsync(1, Token));
        await Eventually.True(() => client.State == ManagerClientState.Disconnected, "it has given up");

        // The next call tries again.
        ConnectionLostException again = await Assert.ThrowsAsync<ConnectionLostException>(async () => await tasks.DequeueAsync(Token));
        Assert.Contains("ReconnectTimeout", again.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ClientStopped_ForLong_LosesNothingAndIsNotRobbed()
    {
        // Longer than a peer that is really gone goes unnoticed.
        using ShorterSilence shorter = new();
        TimeSpan stopped = TimeSpan.FromSeconds(2 + WireStream.LongestSilence);
        using Gate gate = new();
        await using ManagerServer server = new();
        ISharedQueue<int> tasks = server.RegisterQueue<int>("tasks");
        server.Start();
        string notes = gate.Named("notes");
        await using WorkerProcess reader = WorkerProcess.Start(ManagerWork.NoteItemsAsync, ManagerWork.PortOf(server), server.Key.ToBase64(), notes);
        await tasks.EnqueueBatchAsync(Enumerable.Range(0, 10), Token);
        await Eventually.True(() => tasks.Count == 0, "the first are taken");
        Assert.Equal(0, Linux.Kill(reader.Id, Linux.Sigstop));
        await Eventually.True(() => ProcessInventory.IsStopped(reader.Id), "it is stopped");
        await tasks.EnqueueBatchAsync(Enumerable.Range(10, 10), Token);
        long stoppedAt = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(stoppedAt) < stopped)
        {
            Assert.Single(server.Statistics.Clients);
            await Task.Delay(200, Token);
        }

        Assert.Equal(0, Linux.Kill(reader.Id, Linux.Sigcont));
        tasks.Complete();
        await reader.JoinAsync(Token);
        Assert.Equal(Enumerable.Range(0, 20), File.ReadAllLines(notes).Select(int.Parse));
    }

    /// <summary>The other side is gone without a word, as when its machine loses its power: no end of the connection ever comes, and what is asked finds nobody.</summary>
    [Fact]
    public async Task PeerGoneWithoutAWord_IsFoundInTime()
    {
        Assert.InRange(WireStream.LongestSilence, 10, 15);
        if (!OwnNetwork.IsPossible)
            Assert.Skip("Needs the right to make network namespaces (root) and iproute2.");
        using ShorterSilence shorter = new();
        await using OwnNetwork network = OwnNetwork.Create();
        await using ManagerServer server = new(new ManagerOptions { EndPoint = new IPEndPoint(network.There, 0), AllowPlaintext = true });
        ISharedQueue<int> tasks = server.RegisterQueue<int>("tasks");
        network.RunThere(server.Start);
        tasks.Enqueue(1, Token);
        await using ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key, new() { ReconnectTimeout = TimeSpan.Zero }, Token);
        QueueLease<int> held = await client.GetQueue<int>("tasks").LeaseAsync(cancellationToken: Token);
        Assert.Equal(1, tasks.LeasedCount);

        network.PullCable();
        long pulledAt = Stopwatch.GetTimestamp();
        await using QueueLease<int> lease = await tasks.LeaseAsync(cancellationToken: Token);
        Assert.InRange(FairClock.Since(pulledAt).TotalSeconds, 0, WireStream.LongestSilence + 1.5);
        Assert.True(lease.IsRedelivered);
        await lease.CompleteAsync(Token);
        await Eventually.True(() => client.State == ManagerClientState.Disconnected, "the client has noticed too");
        Assert.False(held.TryComplete());
    }

    /// <summary>So that tests needn't wait as long as users may have to; the long run does.</summary>
    private sealed class ShorterSilence : IDisposable
    {
        private readonly (int, int) usual = WireStream.Seconds;

        public ShorterSilence() => WireStream.Seconds = Environment.GetEnvironmentVariable("MANYHANDS_LONG") == "1" ? usual : (1, 1);

        public void Dispose() => WireStream.Seconds = usual;
    }

    internal static int FreePort()
    {
        using Socket probe = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        probe.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)probe.LocalEndPoint!).Port;
    }

    internal static async Task<ManagerClient> ConnectWhenThereAsync(int port, string key)
    {
        long startedAt = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                return await ManagerWork.ConnectAsync(port, key);
            }
            catch (ConnectionLostException) when (Stopwatch.GetElapsedTime(startedAt) < TimeSpan.FromSeconds(20))
            {
                await Task.Delay(20, Token);
            }
        }
    }
}
