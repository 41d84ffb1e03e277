using System.Globalization;

namespace ManyHands.Platform;

/// <summary>A process, told from a later one that has got its number.</summary>
/// <param name="Id">Its number.</param>
/// <param name="Start">When it started: the low half of the ticks since the machine's start; proc(5), field 22 of /proc/pid/stat.</param>
internal readonly record struct ProcessIdentity(int Id, uint Start)
{
    /// <summary>Fields of /proc/pid/stat, counted from the one behind the name, which may itself contain anything.</summary>
    private const int StateField = 0;
    private const int StartField = 19;

    /// <summary>This process.</summary>
    public static ProcessIdentity Current { get; } = new(Environment.ProcessId, Read(Environment.ProcessId) is { } own ? own.Start : 0);

    /// <summary>Whether it runs or is stopped. One that has ended and waits to be reaped is not alive.</summary>
    public bool IsAlive => Read(Id) is { } found && found.Start == Start && found.State is not ('Z' or 'X' or 'x');

    private static (char State, uint Start)? Read(int id)
    {
        string text;
        try
        {
            text = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{id}/stat"));
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return null;
        }

        string[] fields = text[(text.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return fields.Length > StartField && ulong.TryParse(fields[StartField], CultureInfo.InvariantCulture, out ulong start) ? (fields[StateField][0], (uint)start) : null;
    }
}
