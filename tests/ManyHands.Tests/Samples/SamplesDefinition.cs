using Xunit;

namespace ManyHands.Tests.Samples;

/// <summary>
/// The tests that build and start programs: one at a time, as their builds share the library's folders. What they count is of those programs, so they may run in a process of their own beside all others, and ./build runs them so.
/// </summary>
[Trait(Name, "programs")]
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class SamplesDefinition
{
    public const string Name = "Samples";
}
