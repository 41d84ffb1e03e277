using System.Reflection;
using ManyHands.Platform;
using ManyHands.Serialization;
using Xunit;

namespace ManyHands.Tests.Memory;

/// <summary>A value that processes share: atomic at any size.</summary>
public sealed class SharedValueTests : LeakChecked
{
    [Fact]
    public async Task Increments_OfEightProcesses_AddUp()
    {
        const int Each = 20_000;
        await using Pool pool = Pool.Processes(8);
        using SharedValue<int> small = new();
        using SharedValue<decimal> large = new(0.5m);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => pool.RunAsync(Count, small, large, Each)));
        Assert.Equal(8 * Each, small.Value);
        Assert.Equal(0.5m + (8 * Each), large.Value);

        static void Count(SharedValue<int> small, SharedValue<decimal> large, int times)
        {
            for (int i = 0; i < times; i++)
            {
                small.Increment();
                large.Add(1);
            }
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Values_AreNeverTorn(bool whileReadersAreKilled)
    {
        await using Pool pool = Pool.Processes(2, new() { Output = static _ => { } });
        using SharedValue<Wide> value = new();
        using SharedValue<byte> stop = new();
        Task[] writers = [.. Enumerable.Range(0, 2).Select(_ => pool.RunAsync(WriteEqualParts, value, stop))];
        for (int i = 0; i < 20_000; i++)
        {
            Wide seen = value.Value;
            Assert.True(seen.IsWhole);
            if (whileReadersAreKilled && i % 5000 == 0)
            {
                WorkerProcess killed = WorkerProcess.Start(WriteEqualParts, value, stop);
                await Task.Delay(20, TestContext.Current.CancellationToken);
                killed.Kill();
                await killed.JoinAsync(TestContext.Current.CancellationToken);
                await killed.DisposeAsync();
            }
        }

        stop.Value = 1;
        await Task.WhenAll(writers);

        static void WriteEqualParts(SharedValue<Wide> value, SharedValue<byte> stop)
        {
            for (long i = 0; stop.Value == 0; i++)
                value.Value = new Wide(i);
        }
    }

#if DEBUG
    [Fact]
    public async Task Writer_KilledInTheMiddle_HasChangedNothing()
    {
        await using Pool pool = Pool.Processes(1, new() { Output = static _ => { } });
        using SharedValue<Wide> value = new(new Wide(3));
        await Assert.ThrowsAsync<WorkerCrashedException>(() => pool.RunAsync(WriteAndDie, value));
        Assert.Equal(new Wide(3), value.Value);
        Assert.Equal(new Wide(3), value.Exchange(new Wide(4)));
        Assert.Equal(new Wide(4), value.Value);

        static void WriteAndDie(SharedValue<Wide> value)
        {
            FaultPoint.Arm(FaultStep.ValueWritten, Fault.Kill);
            value.Value = new Wide(9);
        }
    }
#endif

    [Fact]
    public void Value_OfAnySmallSize_IsExchanged()
    {
        using SharedValue<byte> one = new(5);
        Assert.Equal(5, one.CompareExchange(6, 5));
        Assert.Equal(6, one.CompareExchange(7, 5));
        Assert.Equal(6, one.Exchange(255));
        Assert.Equal(0, one.Increment());
        Assert.Equal(255, one.Decrement());
        using SharedValue<short> two = new(-1);
        Assert.Equal(-3, two.Add((short)-2));
        using SharedValue<double> eight = new(double.NaN);
        Assert.Equal(double.NaN, eight.Value);
        Assert.Equal(1.5, eight.Update(static before => double.IsNaN(before) ? 1.5 : 0));
        using SharedValue<DayOfWeek> day = new(DayOfWeek.Monday);
        Assert.Equal(DayOfWeek.Friday, day.Update(static _ => DayOfWeek.Friday));
        Assert.Equal("SharedValue<DayOfWeek>: Friday", day.ToString());
        Assert.Throws<DivideByZeroException>(() => two.Update(static before => (short)(before / (before + 3))));
        Assert.Equal(-3, two.Value);
    }

    [Fact]
    public void Disposed_OrUnfit_IsRefused()
    {
        SharedValue<long> value = new(5);
        SharedReference reference = SharedObjects.Refer(value);
        Assert.Throws<CorruptSharedMemoryException>(() => SharedObjects.Attach<SharedValue<int>>(in reference));
        value.Dispose();
        value.Dispose();
        Assert.Throws<ObjectDisposedException>(() => value.Value);
        Assert.Throws<ObjectDisposedException>(() => value.Exchange(1));
        Assert.Throws<UnsendableValueException>(() => SharedObjects.Refer(value));
        Assert.Equal("SharedValue<Int64>", value.ToString());
        TargetInvocationException refused = Assert.Throws<TargetInvocationException>(() => Activator.CreateInstance(typeof(SharedValue<>).MakeGenericType(typeof((int, string))), [default((int, string))]));
        Assert.Contains("has references", Assert.IsType<ArgumentException>(refused.InnerException).Message, StringComparison.Ordinal);
    }

    internal readonly record struct Wide(long First, long Second, long Third)
    {
        public Wide(long part)
            : this(part, part, part)
        {
        }

        public bool IsWhole => First == Second && Second == Third;
    }
}
