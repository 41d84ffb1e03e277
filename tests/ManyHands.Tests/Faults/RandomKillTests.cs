using ManyHands.Tests.Contracts;
using ManyHands.Tests.Pools;
using Xunit;

namespace ManyHands.Tests.Faults;

/// <summary>
/// Workers are killed, stopped and crashed at random moments under a load of mixed calls. A ledger tells how often each ran: none is lost, none runs twice, none hangs.
/// </summary>
public sealed class RandomKillTests : LeakChecked
{
    private const int Workers = 3;
    private const int Callers = 6;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private static int Rounds => LongRun.IsOn ? 10_000 : 200;

    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task Disturbances_UnderLoad_EveryCallHasOneOutcome(TransportUnderTest transport)
    {
        int rounds = transport != TransportUnderTest.Automatic ? Rounds / 4 : Rounds;
        int seed = Environment.TickCount;
        using Gate gate = new();
        using CallLedger ledger = new(gate.Path);
        using CancellationTokenSource enough = new();
        Pool pool = Pool.Processes(Workers, new ProcessPoolOptions { Output = static _ => { } }.Over(transport));
        await using (pool)
        {
            await pool.WarmUpAsync(TestContext.Current.CancellationToken);
            Load load = new(pool, gate.Path, ledger, enough.Token);
            Task[] callers = [.. Enumerable.Range(0, Callers).Select(number => Task.Run(() => load.RunAsync(new Random(seed + number))))];
            Disturber disturber = new(pool, load, new Random(seed - 1));
            try
            {
                for (int round = 1; round <= rounds && !callers.Any(caller => caller.IsCompleted); round++)
                {
                    await disturber.DisturbAsync();
                    if (round % (LongRun.IsOn ? 250 : 100) == 0)
                        Console.Out.WriteLine($"{transport}, seed {seed}: {round} of {rounds} rounds; {disturber}; {load}");
                }
            }
            finally
            {
                await enough.CancelAsync();
                disturber.ContinueAll();
            }

            await Task.WhenAll(callers).InTime(Deadline);
            Assert.Equal(load.Started, load.Ended);
            Assert.True(load.Succeeded > rounds, $"Seed {seed}: {load}");
            Assert.InRange(load.Crashed, 0, disturber.Deaths);

            // A worker that stays away for good has no excuse; one that is being replaced has.
            await Task.WhenAll(Enumerable.Range(0, Workers).Select(_ => pool.RunAsync(Work.Answer))).InTime(Deadline);
            Assert.Equal(0, pool.Statistics.RunningCalls);
            Assert.Equal(0, pool.Statistics.QueuedCalls);
        }
    }

    /// <summary>Goes at the pool's workers, one at a time.</summary>
    private sealed class Disturber(Pool pool, Load load, Random random)
    {
        private readonly HashSet<int> stopped = [];
        private int kills;
        private int pauses;
        private int crashes;

        /// <summary>How many workers may have died by it.</summary>
        public int Deaths => kills + crashes;

        public async Task DisturbAsync()
        {
            await Task.Delay(random.Next(1, 10));
            int victim = 0;
            await Eventually.True(() => (victim = Choose()) != 0, "there is a worker that works", Deadline.TotalSeconds);
            switch (random.Next(10))
            {
                case < 6:
                    if (Signals.TrySend(victim, Signals.Kill))
                        kills++;
                    break;
                case < 8:
                    if (!Signals.TrySend(victim, Signals.Stop))
                        break;
                    pauses++;
                    lock (stopped)
                        stopped.Add(victim);
                    await Task.Delay(random.Next(1, 30));
                    if (random.Next(4) == 0 && Signals.TrySend(victim, Signals.Kill))
                        kills++;
                    Signals.TrySend(victim, Signals.Continue);
                    lock (stopped)
                        stopped.Remove(victim);
                    break;
                default:
                    crashes++;
                    load.CrashOne();
                    break;
            }
        }

        // Three deaths in a row while starting break a pool, and are meant to. So only now and then it is one that starts.
        private int Choose()
        {
            PoolWorkerStatistics[] workers = [.. pool.Statistics.Workers.Where(worker => worker.Id != 0 && ProcessInventory.IsAlive(worker.Id))];
            PoolWorkerStatistics[] working = [.. workers.Where(worker => worker.EndedCalls > 0)];
            if (working.Length == 0)
                return 0;
            PoolWorkerStatistics[] starting = [.. workers.Where(worker => worker is { EndedCalls: 0, IsBusy: false })];
            PoolWorkerStatistics[] from = starting.Length > 0 && random.Next(10) == 0 ? starting : working;
            return from[random.Next(from.Length)].Id;
        }

        public void ContinueAll()
        {
            lock (stopped)
            {
                foreach (int id in stopped)
                    Signals.TrySend(id, Signals.Continue);
            }
        }

        public override string ToString() => $"{kills} kills, {pauses} pauses, {crashes} crashes from inside";
    }

    /// <summary>Calls of many sorts, each with a number of its own, and what became of them.</summary>
    private sealed class Load(Pool pool, string path, CallLedger ledger, CancellationToken enough)
    {
        private int started;
        private int ended;
        private int succeeded;
        private int failed;
        private int crashed;
        private int wanted;

        public int Started => Volatile.Read(ref started);

        public int Ended => Volatile.Read(ref ended);

        public int Succeeded => Volatile.Read(ref succeeded);

        public int Crashed => Volatile.Read(ref crashed);

        public void CrashOne() => Interlocked.Increment(ref wanted);

        public async Task RunAsync(Random random)
        {
            while (!enough.IsCancellationRequested)
            {
                if (Interlocked.Decrement(ref wanted) >= 0)
                {
                    await RunOneAsync(number => pool.RunAsync(EnterAndCrash, path, number), mustCrash: true);
                    continue;
                }

                Interlocked.Increment(ref wanted);
                await (random.Next(8) switch
                {
                    0 => RunOneAsync(number => pool.RunAsync(EnterAndSleep, path, number, random.Next(5))),
                    1 => RunOneAsync(number => pool.RunAsync(EnterAndYield, path, number)),
                    2 => RunOneAsync(number => Check(pool.RunAsync(EnterAndDouble, path, number, new byte[random.Next(200_000)]))),
                    3 => RunOneAsync(number => pool.RunAsync(EnterAndReport, path, number, (IProgress<int>)new ListProgress<int>())),
                    4 => RunOneAsync(number => pool.RunAsync(EnterAndThrow, path, number), mustFail: true),
                    5 => RunManyAsync(random.Next(1, 40)),
                    _ => RunOneAsync(number => pool.RunAsync(Enter, path, number)),
                });
            }
        }

        public override string ToString() => $"{Started} calls started, {Ended} ended: {Succeeded} succeeded, {failed} threw, {Crashed} crashed";

        private static async Task<int> Check(Task<byte[]> call)
        {
            byte[] result = await call;
            return result.Length == 0 ? -1 : BitConverter.ToInt32(result);
        }

        private Task RunManyAsync(int count) => Task.WhenAll(Enumerable.Range(0, count).Select(_ => RunOneAsync(number => pool.RunAsync(Enter, path, number))));

        private async Task RunOneAsync(Func<int, Task<int>> run, bool mustFail = false, bool mustCrash = false)
        {
            int number = Interlocked.Increment(ref started);
            try
            {
                Assert.Equal(number, await run(number).InTime(Deadline));
                Assert.False(mustFail || mustCrash, $"Call {number} should not have ended well.");
                Interlocked.Increment(ref succeeded);
                Assert.Equal(1, ledger.RunsOf(number));
            }
            catch (WorkerCrashedException crash)
            {
                Assert.True(crash.Signal == Signals.Kill || (mustCrash && crash.Signal == Signals.SegmentationFault), crash.Message);
                Interlocked.Increment(ref crashed);
                Assert.InRange(ledger.RunsOf(number), 0, 1);
            }
            catch (InvalidOperationException thrown) when (mustFail)
            {
                Assert.Equal($"number {number}", thrown.Message);
                Interlocked.Increment(ref failed);
                Assert.Equal(1, ledger.RunsOf(number));
            }

            Interlocked.Increment(ref ended);
        }
    }

    private static int Enter(string path, int number)
    {
        CallLedger.Enter(path, number);
        return number;
    }

    private static int EnterAndSleep(string path, int number, int milliseconds)
    {
        CallLedger.Enter(path, number);
        Thread.Sleep(milliseconds);
        return number;
    }

    private static async Task<int> EnterAndYield(string path, int number)
    {
        CallLedger.Enter(path, number);
        await Task.Delay(1);
        return number;
    }

    private static byte[] EnterAndDouble(string path, int number, byte[] bytes)
    {
        CallLedger.Enter(path, number);
        byte[] twice = new byte[sizeof(int) + (2 * bytes.Length)];
        BitConverter.TryWriteBytes(twice, number);
        return twice;
    }

    private static int EnterAndReport(string path, int number, IProgress<int> progress)
    {
        CallLedger.Enter(path, number);
        for (int i = 0; i < 20; i++)
            progress.Report(i);
        return number;
    }

    private static int EnterAndThrow(string path, int number)
    {
        CallLedger.Enter(path, number);
        throw new InvalidOperationException($"number {number}");
    }

    private static int EnterAndCrash(string path, int number)
    {
        CallLedger.Enter(path, number);
        Die.BySegmentationFault();
        return number;
    }
}
