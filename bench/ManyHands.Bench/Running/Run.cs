using System.Diagnostics;
using ManyHands.Bench.Subjects;

namespace ManyHands.Bench.Running;

/// <summary>Runs subjects, one after the other. Within one, all contenders take turns, so that what disturbs the machine disturbs all of them.</summary>
internal sealed class Run(bool quick)
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(9);
    private static readonly TimeSpan SubjectLimit = TimeSpan.FromSeconds(100);

    private readonly Stopwatch whole = Stopwatch.StartNew();

    public async Task MeasureAsync(IReadOnlyList<Subject> subjects, Action<Subject> measured)
    {
        for (int i = 0; i < subjects.Count; i++)
        {
            // Twice its share of what is left: most subjects need less than theirs. The first round is always finished.
            TimeSpan share = 2 * (Limit - whole.Elapsed) / (subjects.Count - i);
            await MeasureAsync(subjects[i], share < SubjectLimit ? share : SubjectLimit);
            measured(subjects[i]);
        }
    }

    private async Task MeasureAsync(Subject subject, TimeSpan limit)
    {
        Stopwatch watch = Stopwatch.StartNew();
        int rounds = quick ? Math.Min(2, subject.Rounds) : subject.Rounds;
        Dictionary<string, ContenderProcess> running = [];
        try
        {
            for (int round = 0; round < rounds; round++)
            {
                if (round > 0 && watch.Elapsed > limit)
                {
                    await Console.Error.WriteLineAsync($"{subject.Name}: stopped after {round} of {rounds} rounds, its time is over");
                    break;
                }

                // There and back, so that none always comes after the same other one.
                foreach (Measurement each in round % 2 == 0 ? subject.Measurements : subject.Measurements.Reverse())
                    await MeasureAsync(subject, each, running);
            }
        }
        finally
        {
            foreach (ContenderProcess process in running.Values)
                await process.DisposeAsync();
        }

        await Console.Error.WriteLineAsync($"{subject.Name}: {watch.Elapsed.TotalSeconds:N0} s");
    }

    private static async Task MeasureAsync(Subject subject, Measurement measurement, Dictionary<string, ContenderProcess> running)
    {
        if (measurement.Failure is not null)
            return;
        Contender contender = measurement.Contender;
        ContenderProcess? process = null;
        try
        {
            if (contender.IsFresh || !running.TryGetValue(contender.Key, out process))
                process = Start(contender, running);
            measurement.Add(await process.AskAsync(measurement.What, measurement.Count));
        }
        catch (MeasurementFailedException failure)
        {
            measurement.Failure = failure;
            await Console.Error.WriteLineAsync($"{subject.Name}: {contender.Name}: {measurement.What} NOT MEASURED, {failure.State}: {failure.Message}");
        }

        if (process is not null && (contender.IsFresh || process.HasEnded))
        {
            running.Remove(contender.Key);
            await process.DisposeAsync();
        }
    }

    private static ContenderProcess Start(Contender contender, Dictionary<string, ContenderProcess> running)
    {
        try
        {
            return running[contender.Key] = ContenderProcess.Start(contender);
        }
        catch (System.ComponentModel.Win32Exception reason)
        {
            throw new MeasurementFailedException(RowState.Missing, $"{contender.Command[0]} doesn't start: {reason.Message}");
        }
    }
}
