using Xunit;

namespace ManyHands.Tests.Pools;

/// <summary>A map with a result that can't be decoded here: good ones come out, then the error, and never one that nobody has made.</summary>
public sealed class UnreadableResultTests : LeakChecked
{
    private const int Items = 4000;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    /// <summary>How many come before it: the first item travels alone, later ones are in the middle of a batch, or its last.</summary>
    private static readonly int[] Places = [0, 1, 2, 3, 2500, 2501, 2502, Items - 1];

    public static TheoryData<WorkerTransport> Transports => [WorkerTransport.SharedMemory, WorkerTransport.Sockets];

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task InOrder_AllBeforeIt_ThenTheError(WorkerTransport transport)
    {
        await using Pool pool = Pool.Processes(2, new() { Transport = transport });
        foreach (int refused in Places)
            await CheckInOrder(pool, refused);
        Assert.Equal(2, pool.Statistics.WorkersStarted);
    }

    // A busy machine must not make a worker that is told to stop look stubborn.
    private static CallOptions Patient => new() { Grace = Deadline };

    private static async Task CheckInOrder(Pool pool, int refused)
    {
        List<int> got = [];
        UnsendableCallException error = await Assert.ThrowsAsync<UnsendableCallException>(() => Take(pool.MapAsync(Make, Enumerable.Range(1, Items), Patient), refused + 1, got).WaitAsync(Deadline));
        Assert.Contains("arrived but can't be read", error.Message, StringComparison.Ordinal);
        Assert.Equal(Enumerable.Range(1, refused), got);
        Assert.Equal(3, (await pool.RunAsync(Make, 3)).Value);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Unordered_OnlyGoodOnes_ThenTheError(WorkerTransport transport)
    {
        await using Pool pool = Pool.Processes(2, new() { Transport = transport });
        await using Pool one = Pool.Processes(1, new() { Transport = transport });
        foreach (int refused in Places)
            await CheckUnordered(pool, one, refused);
    }

    private static async Task CheckUnordered(Pool pool, Pool one, int refused)
    {
        List<int> got = [];
        await Assert.ThrowsAsync<UnsendableCallException>(() => Take(pool.MapUnorderedAsync(Make, Enumerable.Range(1, Items)), refused + 1, got).WaitAsync(Deadline));
        Assert.DoesNotContain(refused + 1, got);
        Assert.DoesNotContain(0, got);
        Assert.Equal(got.Count, got.Distinct().Count());

        // With one worker they come in order, and so all before it are there.
        got.Clear();
        await Assert.ThrowsAsync<UnsendableCallException>(() => Take(one.MapUnorderedAsync(Make, Enumerable.Range(1, Items)), refused + 1, got).WaitAsync(Deadline));
        Assert.Equal(Enumerable.Range(1, refused), got.Take(refused));
        Assert.DoesNotContain(refused + 1, got);
        Assert.Equal(got.Distinct().Order(), got);
    }

    private static async Task Take(IAsyncEnumerable<Refusable> map, int refused, List<int> got)
    {
        Refusable.Refused = refused;
        try
        {
            await foreach (Refusable result in map)
                got.Add(result?.Value ?? 0);
        }
        finally
        {
            Refusable.Refused = 0;
        }
    }

    private static Refusable Make(int value) => new() { Value = value };
}

/// <summary>One of its values can't be read where that is set.</summary>
public sealed class Refusable
{
    public static int Refused { get; set; }

    public int Value
    {
        get;
        set => field = value == Refused && value != 0 ? throw new FormatException("Refused.") : value;
    }
}
