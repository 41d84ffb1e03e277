#if DEBUG
using ManyHands.Platform;
using Xunit;

namespace ManyHands.Tests.Pools;

/// <summary>A map's last result may be taken before the map knows that its batch has ended; then it waits for nothing but that.</summary>
public sealed class MapEndTests : LeakChecked
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task LastResult_TakenBeforeItsBatchHasEnded_TheMapEnds(bool inOrder)
    {
        using Gate gate = new();
        await using Pool pool = Pool.Processes(1);
        string ran = gate.Named("ran-");
        try
        {
            // The first item travels alone; so the second batch is the last, or the third.
            foreach (int batch in (int[])[1, 2, 3])
            {
                FaultPoint.Arm(FaultStep.BatchFinished, Fault.Delay, hits: batch, delay: TimeSpan.FromMilliseconds(150));
                string last = $"{ran}{batch}";
                List<int> taken = [];
                await TakeAll(pool, last, inOrder, taken).InTime(Deadline);
                Assert.Equal([1, 2, 3], taken.Order());
            }
        }
        finally
        {
            FaultPoint.Disarm();
        }
    }

    private static async Task TakeAll(Pool pool, string last, bool inOrder, List<int> taken)
    {
        Func<int, int> run = item => RunOne(item, last);
        await foreach (int result in inOrder ? pool.MapAsync(run, [1, 2, 3]) : pool.MapUnorderedAsync(run, [1, 2, 3]))
        {
            taken.Add(result);
            if (taken.Count != 2)
                continue;

            // Comes for the last when that is there, and its batch is being delayed.
            await Gate.WaitAsync(last);
            await Task.Delay(50);
        }
    }

    private static int RunOne(int item, string last)
    {
        if (item == 3)
            Gate.Open(last);
        return item;
    }
}
#endif
