using ManyHands.Tests.Serialization;
using Xunit;

namespace ManyHands.Tests.Faults;

/// <summary>
/// A worker or a client that has the key sends bits that are no value, by every way that bits take: whoever would use them gets a typed error, and nobody dies of them. A forged decimal ended the process that added it up.
/// </summary>
public sealed class ForgedBitsTests : LeakChecked
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task FromAWorker_ByEveryWay_AreATypedError()
    {
        await using Pool pool = Pool.Processes(1, new() { Output = static _ => { } });
        Assert.Contains("decimal", (await Failure(pool.RunAsync(static () => ForgedBits.ADecimal()))).Message, StringComparison.OrdinalIgnoreCase);
        await Failure(pool.RunAsync(static () => ForgedBits.ADate()));
        await Failure(pool.RunAsync(static () => ForgedBits.ABoolean()));
        await Failure(pool.RunAsync(static () => new[] { 1m, ForgedBits.ADecimal() }));
        await Failure(pool.RunAsync(static () => new DateTime[] { default, ForgedBits.ADate() }.AsMemory()));
        await Failure(pool.RunAsync(static () => (1, new List<decimal?> { ForgedBits.ADecimal() })));
        await Failure(pool.RunAsync(static () => new bool[] { true, ForgedBits.ABoolean() }));
        Assert.Equal(0, pool.Statistics.WorkersLost);
        Assert.Equal(3m, await pool.RunAsync(static (decimal one) => one + 1.5m, 1.5m));
    }

    [Fact]
    public async Task FromAWorker_AsProgress_AreNeverReported()
    {
        await using Pool pool = Pool.Processes(1, new() { Output = static _ => { } });
        List<decimal> reported = [];
        Exception failure = await Assert.ThrowsAnyAsync<Exception>(() => pool.RunAsync(
            static (IProgress<decimal> progress) => progress.Report(ForgedBits.ADecimal()),
            (IProgress<decimal>)new Reports(reported)).WaitAsync(Deadline, Token));
        Assert.True(failure is UnsendableCallException or WorkerCrashedException, failure.ToString());
        Assert.Empty(reported);
        Assert.Equal(2, await pool.RunAsync(static () => 2));
    }

    [Fact]
    public async Task FromAWorker_ThroughSharedObjects_AreATypedError()
    {
        await using Pool pool = Pool.Processes(1, new() { Output = static _ => { } });
        using SharedQueue<decimal> queue = new();
        await pool.RunAsync(static (SharedQueue<decimal> queue) => queue.EnqueueBatch([1m, ForgedBits.ADecimal(), 2m]), queue);
        Assert.Equal(1m, queue.Dequeue(Token));
        Assert.Throws<CorruptSharedMemoryException>(() => queue.Dequeue(Token));
        Assert.Equal(2m, queue.Dequeue(Token));

        (SharedPipeEnd<DateTime> receiver, SharedPipeEnd<DateTime> sender) = SharedPipe.CreateSimplex<DateTime>();
        await pool.RunAsync(static (SharedPipeEnd<DateTime> sender) => sender.Send(ForgedBits.ADate()), sender);
        Assert.Throws<CorruptSharedMemoryException>(() => receiver.Receive(Token));
        sender.Dispose();
        receiver.Dispose();

        using SharedValue<decimal> value = new();
        await pool.RunAsync(
            static (SharedValue<decimal> value) =>
            {
                value.Value = ForgedBits.ADecimal();
            },
            value);
        Assert.Throws<CorruptSharedMemoryException>(() => value.Value);
        value.Value = 3m;
        Assert.Equal(3m, value.Value);
    }

    [Fact]
    public async Task FromAClient_ByEveryWay_AreATypedErrorOnBothSides()
    {
        await using ManagerServer server = new();
        Ledger ledger = new();
        server.RegisterObject<ILedger>("ledger", ledger);
        ISharedQueue<decimal> queue = server.RegisterQueue<decimal>("queue");
        ISharedValue<decimal> value = server.RegisterValue("value", 0m);
        ISharedDictionary<string, DateTime> dictionary = server.RegisterDictionary<string, DateTime>("dictionary");
        server.Start();
        await using ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key, cancellationToken: Token);
        ILedger remote = client.GetProxy<ILedger>("ledger");
        Refused(() => remote.Add(ForgedBits.ADecimal()));
        Refused(() => remote.AddAll([1m, ForgedBits.ADecimal()]));
        Refused(() => remote.IsAfter(ForgedBits.ADate()));
        Refused(() => remote.Negate(ForgedBits.ABoolean()));
        Assert.Equal(0m, ledger.Sum);
        Refused(() => remote.Worst());
        Assert.Equal(5m, remote.Add(5m));

        client.GetQueue<decimal>("queue").Enqueue(ForgedBits.ADecimal(), Token);
        Refused(() => queue.Dequeue(Token));
        client.GetValue<decimal>("value").Value = ForgedBits.ADecimal();
        Refused(() => _ = value.Value);
        Refused(() => _ = client.GetValue<decimal>("value").Value);
        client.GetDictionary<string, DateTime>("dictionary")["a"] = ForgedBits.ADate();
        Refused(() => _ = dictionary["a"]);
        Assert.Equal(6m, remote.Add(1m));
    }

    private static async Task<UnsendableCallException> Failure(Task call) => await Assert.ThrowsAsync<UnsendableCallException>(() => call.WaitAsync(Deadline, Token));

    // Which of the library's exceptions it is depends on the object; that it is none of the runtime's own is what matters.
    private static void Refused(Action use)
    {
        Exception failure = Assert.ThrowsAny<Exception>(use);
        Assert.True(failure is ManagerException or UnsendableCallException or CorruptSharedMemoryException or RemoteException, failure.ToString());
    }

    private sealed class Reports(List<decimal> reported) : IProgress<decimal>
    {
        public void Report(decimal value) => reported.Add(value);
    }

    public interface ILedger
    {
        decimal Add(decimal amount);

        decimal AddAll(decimal[] amounts);

        bool IsAfter(DateTime when);

        bool Negate(bool value);

        decimal Worst();
    }

    private sealed class Ledger : ILedger
    {
        public decimal Sum { get; private set; }

        public decimal Add(decimal amount) => Sum += amount;

        public decimal AddAll(decimal[] amounts) => Sum += amounts.Sum();

        public bool IsAfter(DateTime when) => when.AddDays(1).Year > 2000;

        public bool Negate(bool value) => !value;

        public decimal Worst() => ForgedBits.ADecimal();
    }
}
