using Xunit;

namespace ManyHands.Tests.Managers;

/// <summary>A manager's queue, through a client and in the manager's own process.</summary>
public sealed class ManagerQueueTests : LeakChecked
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Queue_ThroughAClient_PassesItemsInOrder()
    {
        await using ManagerServer server = new();
        using ISharedQueue<string> own = server.RegisterQueue<string>("tasks");
        server.Start();
        await using ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key, cancellationToken: Token);
        ISharedQueue<string> tasks = client.GetQueue<string>("tasks");
        for (int i = 0; i < 100; i++)
            await tasks.EnqueueAsync($"item {i}", Token);
        Assert.Equal(100, tasks.Count);
        for (int i = 0; i < 50; i++)
            Assert.Equal($"item {i}", await tasks.DequeueAsync(Token));
        Assert.Equal(50, tasks.Count);
        for (int i = 50; i < 100; i++)
            Assert.Equal($"item {i}", await own.DequeueAsync(Token));
        Assert.False(tasks.TryDequeue(out _));
        Assert.False(tasks.TryDequeue(out _, TimeSpan.FromMilliseconds(50), Token));
        ValueTask<string> waiting = tasks.DequeueAsync(Token);
        await own.EnqueueAsync("late", Token);
        Assert.Equal("late", await waiting);
        tasks.Complete();
        await Assert.ThrowsAsync<QueueCompletedException>(async () => await tasks.DequeueAsync(Token));
    }

    [Fact]
    public async Task Dequeue_Canceled_LeavesTheItemToOthers()
    {
        await using ManagerServer server = new();
        server.RegisterQueue<int>("numbers");
        server.Start();
        await using ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key, cancellationToken: Token);
        ISharedQueue<int> numbers = client.GetQueue<int>("numbers");
        for (int round = 0; round < 50; round++)
        {
            using CancellationTokenSource cancel = new();
            ValueTask<int> waiting = numbers.DequeueAsync(cancel.Token);
            Task add = Task.Run(() => numbers.Enqueue(round), Token);
            await cancel.CancelAsync();
            int got;
            try
            {
                got = await waiting;
            }
            catch (OperationCanceledException)
            {
                got = await numbers.DequeueAsync(Token);
            }

            await add;
            Assert.Equal(round, got);
        }
    }

    [Fact]
    public async Task Lease_OfAClientThatLeaves_ComesBackFlagged()
    {
        await using ManagerServer server = new();
        using ISharedQueue<int> own = server.RegisterQueue<int>("numbers");
        server.Start();
        own.Enqueue(7, Token);
        await using (ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key, cancellationToken: Token))
        {
            QueueLease<int> lease = await client.GetQueue<int>("numbers").LeaseAsync(cancellationToken: Token);
            Assert.False(lease.IsRedelivered);
            Assert.Equal(1, own.LeasedCount);
        }

        await using QueueLease<int> second = await own.LeaseAsync(cancellationToken: Token);
        Assert.Equal(7, second.Item);
        Assert.True(second.IsRedelivered);
        await second.CompleteAsync(Token);
        Assert.True(own.Join(TimeSpan.FromSeconds(5), Token));
    }
}
