using System.Diagnostics;
using System.Globalization;
using System.Text;
using ManyHands.Platform;
using Xunit;

namespace ManyHands.Tests.Platform;

/// <summary>Only a proof of its end says that a process has ended.</summary>
public sealed class ProcessIdentityTests : LeakChecked
{
    private const int NoProcess = 3;
    private const int NoDescriptor = 24;
    private const int HighestError = 133;
    private const uint ReadOnlyAndCloseOnExec = 0x80000;

    private static IEnumerable<int> Errors => Enumerable.Range(1, HighestError);

    private static ProcessIdentity Current => ProcessIdentity.Current;

    private static ProcessIdentity Nobody { get; } = new(int.MaxValue, 1);

    [Fact]
    public void Own_IsAlive_AndOthersOfItsNumberArent()
    {
        Assert.False(Current.HasEnded);
        Assert.True((Current with { Start = Current.Start - 1 }).HasEnded);
        Assert.True(Nobody.HasEnded);
        Assert.True(new ProcessIdentity(0, 0).HasEnded);
        Assert.True(new ProcessIdentity(-1, 0).HasEnded);
    }

    /// <summary>One that couldn't find out when it started is told by its number alone.</summary>
    [Fact]
    public void UnknownStart_IsNoProof()
    {
        Assert.False((Current with { Start = 0 }).HasEnded);
        Assert.True((Nobody with { Start = 0 }).HasEnded);
    }

    [Fact]
    public void Opening_FailsForAnyReason_TheLivingLive()
    {
        int[] wrong = [.. Errors.Where(static error => SystemCallFilter.Run(static () => Current.HasEnded, NoOpening(error)))];
        Assert.Empty(wrong);

        // Nor is one whose number another has by now known to be dead: nobody can tell until it can be looked at.
        Assert.False(SystemCallFilter.Run(static () => (Current with { Start = 1 }).HasEnded, NoOpening(NoDescriptor)));
    }

    [Fact]
    public void Opening_FailsForAnyReason_TheDeadAreDead()
    {
        int[] wrong = [.. Errors.Where(static error => !SystemCallFilter.Run(static () => Nobody.HasEnded, NoOpening(error)))];
        Assert.Empty(wrong);
    }

    [Fact]
    public void Reading_FailsForAnyReason_OnlyThatItIsGoneIsAProof()
    {
        int[] ended = [.. Errors.Where(static error => SystemCallFilter.Run(
            static () => Current.HasEnded, new SystemCallFilter.Refusal(SystemCallFilter.Read, 2, ProcessIdentity.LongestStat, error)))];
        Assert.Equal([NoProcess], ended);
    }

    [Fact]
    public void Asking_FailsForAnyReason_OnlyThatThereIsNoneIsAProof()
    {
        int[] ended = [.. Errors.Where(static error => SystemCallFilter.Run(
            static () => Current.HasEnded, NoOpening(NoDescriptor), new SystemCallFilter.Refusal(SystemCallFilter.SignalThread, 2, 0, error)))];
        Assert.Equal([NoProcess], ended);
    }

    /// <summary>It has a number and a start, and is none any more.</summary>
    [Fact]
    public async Task Unreaped_HasEnded_ButThatCantBeToldWithoutADescriptor()
    {
        using Process parent = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", "sleep 0 & exec sleep 60"]))!;
        try
        {
            int child = 0;
            await Eventually.True(
                () => (child = Directory.EnumerateDirectories("/proc").Select(static path => int.TryParse(Path.GetFileName(path), CultureInfo.InvariantCulture, out int id) ? id : 0).FirstOrDefault(id => id != 0 && ProcessInventory.Parent(id) == parent.Id)) != 0
                    && !ProcessInventory.IsAlive(child),
                "it waits to be reaped");
            ProcessIdentity zombie = new(child, StartOf(child));
            Assert.True(zombie.HasEnded);
            Assert.False(SystemCallFilter.Run(() => zombie.HasEnded, NoOpening(NoDescriptor)));
        }
        finally
        {
            parent.Kill();
            await parent.WaitForExitAsync(TestContext.Current.CancellationToken);
        }
    }

    [Fact]
    public void CutShort_SaysNothing()
    {
        byte[] whole = File.ReadAllBytes("/proc/self/stat");
        Assert.True(ProcessIdentity.TryParse(whole, out _, out uint start));
        Assert.Equal(Current.Start, start);
        for (int length = 0; length < whole.Length; length++)
            Assert.False(ProcessIdentity.TryParse(whole.AsSpan(0, length), out _, out _));
    }

    [Theory]
    [InlineData("(sleep)")]
    [InlineData("(a) Z 0 (b)")]
    [InlineData("(\n) X 1)")]
    [InlineData("()")]
    public void Names_MayBeAnything(string name)
    {
        string rest = string.Join(' ', Enumerable.Range(4, 18).Append(777).Concat(Enumerable.Range(23, 30)));
        Assert.True(ProcessIdentity.TryParse(Encoding.UTF8.GetBytes($"12 {name} S {rest}\n"), out char state, out uint start));
        Assert.Equal(('S', 777u), (state, start));
    }

    private static SystemCallFilter.Refusal NoOpening(int error) => new(SystemCallFilter.Open, 2, ReadOnlyAndCloseOnExec, error);

    private static uint StartOf(int id) => ProcessIdentity.TryParse(File.ReadAllBytes($"/proc/{id}/stat"), out _, out uint start) ? start : throw new InvalidOperationException("it is gone");
}
