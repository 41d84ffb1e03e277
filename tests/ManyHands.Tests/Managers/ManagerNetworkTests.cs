using System.Diagnostics;
using Xunit;

namespace ManyHands.Tests.Managers;

/// <summary>What networks do to a connection: cuts at any byte, pieces of one byte, delays.</summary>
public sealed class ManagerNetworkTests : LeakChecked
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>The connection is cut after each single byte of a conversation, one way or the other. What was acknowledged is there, what failed is there once or not at all, and nothing waits for ever.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ACutAtAnyByte_LosesNothingThatWasAcknowledged(bool ofTheClients)
    {
        await using ManagerServer server = new();
        server.Start();
        int cuts = 0;
        int failed = 0;

        // From the handshake's last bytes on, until a conversation is over before its cut.
        int first = ofTheClients ? 70 : 69;
        int last = int.MaxValue;
        await Parallel.ForEachAsync(
            Enumerable.Range(first, 4_000).TakeWhile(place => place < Volatile.Read(ref last)),
            new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = Token },
            async (place, _) =>
            {
                switch (await ConverseAsync(server, ofTheClients, place))
                {
                    case null:
                        Volatile.Write(ref last, 0);
                        break;
                    case bool connected:
                        Interlocked.Increment(ref cuts);
                        if (!connected)
                            Interlocked.Increment(ref failed);
                        break;
                }
            });
        Assert.InRange(cuts, 100, 3_000);
        TestContext.Current.TestOutputHelper?.WriteLine($"Cut at {cuts} places, {failed} of them in the handshake.");
    }

    [Fact]
    public async Task AnItem_ThatComesByteByByte_Arrives()
    {
        await using ManagerServer server = new();
        ISharedQueue<string> tasks = server.RegisterQueue<string>("tasks");
        server.Start();
        await using UnreliableNetwork network = new(server.EndPoint) { Piece = 1 };
        await using ManagerClient client = await ManagerClient.ConnectAsync(network.EndPoint, server.Key, cancellationToken: Token);
        ISharedQueue<string> queue = client.GetQueue<string>("tasks");
        string text = new('x', 5_000);
        await queue.EnqueueAsync(text, Token);
        await queue.EnqueueAsync("short", Token);
        Assert.Equal(text, await queue.DequeueAsync(Token));
        Assert.Equal("short", await tasks.DequeueAsync(Token));
    }

    [Fact]
    public async Task ALongWay_ManyCallsAtATime_TakeAsLongAsOne()
    {
        await using ManagerServer server = new();
        server.RegisterQueue<int>("tasks");
        server.Start();
        await using UnreliableNetwork network = new(server.EndPoint) { Delay = TimeSpan.FromMilliseconds(100) };
        await using ManagerClient client = await ManagerClient.ConnectAsync(network.EndPoint, server.Key, cancellationToken: Token);
        ISharedQueue<int> queue = client.GetQueue<int>("tasks");
        long startedAt = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, 100).Select(i => queue.EnqueueAsync(i, Token).AsTask()));
        int[] items = await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => queue.DequeueAsync(Token).AsTask()));
        (TimeSpan took, TimeSpan tookFairly) = (Stopwatch.GetElapsedTime(startedAt), FairClock.Since(startedAt));
        Assert.Equal(Enumerable.Range(0, 100), items.Order());

        // One after the other they would take forty seconds.
        Assert.True(took.TotalSeconds >= 0.4, "too early");
        Assert.InRange(tookFairly.TotalSeconds, 0, 15);
    }

    // A conversation that is cut at that byte: whether it had connected by then; null if it was over before.
    private static async Task<bool?> ConverseAsync(ManagerServer server, bool ofTheClients, int place)
    {
        string name = $"tasks_{place}";
        using ISharedQueue<string> tasks = server.RegisterQueue<string>(name);
        await using UnreliableNetwork network = new(server.EndPoint);
        if (ofTheClients)
            network.CutAfterSent = place;
        else
            network.CutAfterReceived = place;

        // Within the handshake connecting fails, and says so.
        await using ManagerClient client = await ConnectAsync(network, server.Key);
        bool connected = network.Cuts == 0;
        HashSet<string> acknowledged = [];
        HashSet<string> unknown = [];
        List<string> done = [];
        ISharedQueue<string> queue = await GetAsync(client, name);
        for (int i = 0; i < 3; i++)
        {
            string item = $"{place}-{i}";
            try
            {
                await queue.EnqueueAsync(item, Token).AsTask().InTime(Patience, Token);
                acknowledged.Add(item);
            }
            catch (ConnectionLostException)
            {
                unknown.Add(item);
            }
        }

        // Those that hold items come back; each is done once.
        while (await OnLeaseAsync(queue) is { } lease)
        {
            try
            {
                await lease.CompleteAsync(Token);
                done.Add(lease.Item);
            }
            catch (QueueLeaseLostException)
            {
                // It was given by a connection that was cut, and comes again.
            }
            catch (ConnectionLostException)
            {
                // Whether the manager has heard it will be seen.
                unknown.Add(lease.Item);
            }
        }

        await Eventually.True(() => tasks.Count == 0 && tasks.LeasedCount == 0, $"the queue is empty after a cut at byte {place}");
        Assert.Equal(done.Count, done.Distinct().Count());
        Assert.Empty(acknowledged.Except(done).Except(unknown));
        Assert.Empty(done.Except(acknowledged).Except(unknown));
        return network.Cuts == 0 ? null : connected;
    }

    private static async Task<ManagerClient> ConnectAsync(UnreliableNetwork network, ManagerKey key)
    {
        try
        {
            return await ManagerClient.ConnectAsync(network.EndPoint, key, cancellationToken: Token).InTime(Patience, Token);
        }
        catch (ConnectionLostException)
        {
            return await ManagerClient.ConnectAsync(network.EndPoint, key, cancellationToken: Token).InTime(Patience, Token);
        }
    }

    private static async Task<ISharedQueue<string>> GetAsync(ManagerClient client, string name)
    {
        long startedAt = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                return client.GetQueue<string>(name);
            }
            catch (ConnectionLostException) when (Stopwatch.GetElapsedTime(startedAt) < Patience)
            {
                await Task.Delay(1, Token);
            }
        }
    }

    private static async Task<QueueLease<string>?> OnLeaseAsync(ISharedQueue<string> queue)
    {
        // A moment, so that what a cut connection held has come back.
        long startedAt = Stopwatch.GetTimestamp();
        while (true)
        {
            if (queue.TryLease(out QueueLease<string>? lease, TimeSpan.FromMilliseconds(1), cancellationToken: Token))
                return lease;
            if (queue.Count == 0 && queue.LeasedCount == 0)
                return null;
            if (Stopwatch.GetElapsedTime(startedAt) > Patience)
                throw new TimeoutException($"{queue.Count} items wait and {queue.LeasedCount} are on lease, and none is to be had.");
        }
    }
}
