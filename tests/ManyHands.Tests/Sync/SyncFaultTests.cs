#if DEBUG
using System.Collections.Concurrent;
using ManyHands.Platform;
using ManyHands.Tests.Faults;
using Xunit;

namespace ManyHands.Tests.Sync;

/// <summary>
/// A process is killed, stopped or delayed at each step of what it does with a lock, a semaphore, an event, a condition, a barrier or a value. Whatever happens: the living go on within a bound, the next holder
/// learns of a dead one, permits come back once, no waiter is lost, and who is stopped keeps what it has.
/// </summary>
public sealed class SyncFaultTests(ITestOutputHelper output) : LeakChecked
{
    private const int Lanes = 4;

    private static readonly FaultStep[] Steps = [.. Enum.GetValues<FaultStep>().Where(step => step is >= FaultStep.ValueGuarded and <= FaultStep.BarrierPassed)];

    private static readonly SyncScenario[] Scenarios =
    [
        .. from reentrant in (bool[])[false, true]
           from contention in Enum.GetValues<LockContention>()
           select new LockScenario(reentrant, contention),
        .. Enum.GetValues<SemaphoreSituation>().Select(situation => new SemaphoreScenario(situation)),
        .. from mode in Enum.GetValues<SharedEventMode>()
           from sets in (bool[])[false, true]
           select new EventScenario(mode, sets),
        .. from reentrant in (bool[])[false, true]
           from all in (bool[])[false, true]
           from notifies in (bool[])[false, true]
           select new ConditionScenario(reentrant, all, notifies),
        new BarrierScenario(ArrivesLast: false),
        new BarrierScenario(ArrivesLast: true),
        new ValueScenario(),
    ];

    [Fact]
    public async Task EveryFault_AtEveryStep_CostsWhatItMayAndNoMore()
    {
        ConcurrentBag<Pool> pools = [];
        try
        {
            // Whatever is missed, the steps that are reached are swept.
            ConcurrentBag<string> missed = [.. Steps.Except(Scenarios.SelectMany(scenario => scenario.Steps)).Select(step => $"no scenario comes by {step}")];
            await Parallel.ForEachAsync(Scenarios, new ParallelOptions { MaxDegreeOfParallelism = Lanes }, async (scenario, _) =>
            {
                if (await Missed(pools, scenario) is { } one)
                    missed.Add(one);
            });
            IEnumerable<Cell> cells =
                from scenario in Scenarios
                from step in scenario.Steps
                from fault in Enum.GetValues<Fault>()
                orderby fault
                select new Cell(scenario, step, fault);
            await SharedObjectFaults.SweepAsync("sync", Steps.Length, Scenarios.Length, cells, Lanes, cell => Run(pools, cell.Scenario, new FaultPlan(cell.Step, cell.Fault)), output, missed);
        }
        finally
        {
            foreach (Pool pool in pools)
                await pool.DisposeAsync();
        }
    }

    // Without any fault.
    private static async Task<string?> Missed(ConcurrentBag<Pool> pools, SyncScenario scenario)
    {
        try
        {
            VictimReport? report = await Run(pools, scenario, new FaultPlan(null, Fault.Delay));
            FaultStep[] missed = [.. scenario.Steps.Except(report!.Steps)];
            return missed.Length == 0 ? null : $"'{scenario.Name}' doesn't come by {string.Join(", ", missed)}";
        }
        catch (Exception failure)
        {
            return $"'{scenario.Name}' without any fault: {failure.Message}";
        }
    }

    private static async Task<VictimReport?> Run(ConcurrentBag<Pool> pools, SyncScenario scenario, FaultPlan plan)
    {
        if (!pools.TryTake(out Pool? pool))
            pool = Pool.Processes(1, new() { Output = static _ => { } });
        SyncStage stage = new(pool, await pool.RunAsync(static () => Environment.ProcessId), plan);
        try
        {
            await scenario.RunAsync(stage);
            VictimReport? report = await stage.EndAsync();
            pools.Add(pool);
            return report;
        }
        catch
        {
            stage.GiveUp();
            await pool.DisposeAsync();
            throw;
        }
    }

    private sealed record Cell(SyncScenario Scenario, FaultStep Step, Fault Fault)
    {
        public override string ToString() => $"{Scenario.Name}, {Fault} at {Step}";
    }
}
#endif
